import { Access } from '@/pages/members/Access'
import { useMachine } from './machine'

/** AccessTab is who may do what with a machine. */
export function Component() {
  const m = useMachine()
  return <Access account={m.account_id} cloudspace={m.cloudspace_id} machine={m.id} />
}
