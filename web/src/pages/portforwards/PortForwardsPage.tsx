import { listLoader } from '@/lists'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { options, PortForwards } from './PortForwards'

export const loader = listLoader('/api/v1/port-forwards', options)

/** PortForwardsPage lists the port forwards of the chosen account and cloudspace. */
export const Component = () => (
  <Page title={t.portForwards.title} lead={t.portForwards.about}>
    <PortForwards />
  </Page>
)
