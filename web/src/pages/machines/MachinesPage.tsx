import { Button } from '@patternfly/react-core'
import { Link } from 'react-router'
import { listLoader } from '@/lists'
import { paths } from '@/paths'
import { canWriteSomewhere, useMe } from '@/session'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { Machines, options } from './Machines'

export const loader = listLoader('/api/v1/machines', options)

/** MachinesPage lists the machines of the chosen account and cloudspace. */
export function Component() {
  const create = canWriteSomewhere(useMe()) && (
    <Button component={(p) => <Link {...p} to={paths.machineCreate} />}>{t.machines.create}</Button>
  )
  return (
    <Page title={t.machines.title} actions={create}>
      <Machines create={create} />
    </Page>
  )
}
