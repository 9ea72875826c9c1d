import { api } from '@/api/client'

/** webhookQuery is one webhook by its id. */
export const webhookQuery = (id: string) =>
  api.queryOptions('get', '/api/v1/webhooks/{webhook}', { params: { path: { webhook: id } } })

/** deliveryQuery is one message to a webhook, with what was sent. */
export const deliveryQuery = (webhook: string, id: string) =>
  api.queryOptions('get', '/api/v1/webhooks/{webhook}/deliveries/{delivery}', {
    params: { path: { webhook, delivery: id } },
  })
