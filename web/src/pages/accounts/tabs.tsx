// The parts of an account’s page.
import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { Timeline } from '@/frame/Timeline'
import { useList } from '@/lists'
import { CloudspaceCard } from '@/pages/cloudspaces/CloudspaceCard'
import { CloudspaceCreate } from '@/pages/cloudspaces/CloudspaceCreate'
import { Access } from '@/pages/members/Access'
import { Usage } from '@/pages/usage/Usage'
import { useMay } from '@/session'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'
import { Empty } from '@/ui/Empty'
import { Facts } from '@/ui/Facts'
import { ListView } from '@/ui/ListView'
import { Part } from '@/ui/Part'
import { Time } from '@/ui/Time'
import { useAccountQuery } from './account'

const x = t.accountPages

/** OverviewTab is what an account is, and its cloudspaces. */
export function OverviewTab() {
  const a = useAccountQuery().data
  const may = useMay({ account_id: a.id })
  const list = useList('/api/v1/cloudspaces', { sort: 'name', always: [`account=${a.id}`] })
  const [creating, setCreating] = useState(false)
  const create = (
    <Button variant="secondary" isAriaDisabled={!may.write} onClick={() => may.write && setCreating(true)}>
      {t.cloudspaces.create}
    </Button>
  )
  return (
    <>
      <div className="atoll-part">
        <Facts
          items={[
            [x.created, <Time key="created" value={a.created_at} />],
            [x.id, <Copyable key="id" text={a.id} label={x.id} />],
          ]}
        />
      </div>
      <Part title={x.tabs.cloudspaces} actions={list.items.length > 0 && create}>
        <ListView
          label={x.tabs.cloudspaces}
          list={list}
          columns={[]}
          rowKey={(c) => c.id}
          cards={(c) => <CloudspaceCard c={c} />}
          empty={
            <Empty title={t.list.empty} actions={create}>
              {t.cloudspaces.about}
            </Empty>
          }
        />
      </Part>
      {creating && <CloudspaceCreate account={a} onClose={() => setCreating(false)} />}
    </>
  )
}

export const MembersTab = () => <Access account={useAccountQuery().data.id} />

export const QuotaTab = () => <Usage account={useAccountQuery().data.id} />

export const TimelineTab = () => <Timeline filter={`account=${useAccountQuery().data.id}`} />
