// What the tests of a tenant's pages prepare: images and machines.
import { type Api, unique } from './test'

/** disk is the smallest file that is a disk: a boot sector's mark in a MiB of nothing. */
export function disk(): Buffer {
  const b = Buffer.alloc(1 << 20)
  b.writeUInt16LE(0xaa55, 510)
  return b
}

/** image is a new image of the installation. */
export const image = (api: Api) =>
  api.call<{ id: string; name: string }>('POST', `/images:upload?name=${unique('image')}&user=debian`, disk())

/** machine is a new machine that runs. */
export async function machine(api: Api, cloudspace: string, name = 'web-1', of?: string) {
  const operation = await api.call<{ subject_id: string }>('POST', '/machines', {
    cloudspace,
    name,
    image: of ?? (await image(api)).id,
    size: 'tiny',
  })
  return { id: operation.subject_id, name }
}
