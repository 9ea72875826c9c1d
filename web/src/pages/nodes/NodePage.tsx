import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { Link, Outlet, useNavigate } from 'react-router'
import { client, ifMatch, isGone } from '@/api/client'
import { TabNav } from '@/frame/TabNav'
import { toast } from '@/frame/toasts'
import { part, paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Empty } from '@/ui/Empty'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { NodeState } from './NodeState'
import { loadNode, useNodeQuery } from './node'

export const loader = loadNode

const x = t.nodes

/** NodePage is a node's head: what can be done with it, and the ways to its parts. */
export function Component() {
  const { data: n, error } = useNodeQuery()
  const blocked = isOperator(useMe()) ? undefined : t.onlyOperators
  const navigate = useNavigate()
  const [deleting, setDeleting] = useState(false)
  const here = paths.node(n.id)
  if (isGone(error))
    return (
      <Page title={n.name}>
        <Empty title={x.gone} actions={<Link to={paths.nodes}>{x.back}</Link>} />
      </Page>
    )
  const params = { path: { node: n.id }, header: ifMatch(n.version) }
  const cordon = (cordoned: boolean) =>
    void client
      .PATCH('/api/v1/nodes/{node}', { params, body: { cordoned } })
      .catch((e: Error) => toast('danger', t.error.title, { body: e.message }))
  return (
    <Page
      title={n.name}
      label={<NodeState node={n} />}
      lead={n.cordoned ? x.cordonAbout : undefined}
      actions={
        <div className="atoll-buttons">
          <Button
            isAriaDisabled={blocked !== undefined}
            component={(p) => <Link {...p} to={`${paths.run}?node=${encodeURIComponent(n.name)}`} />}
          >
            {x.runHere}
          </Button>
          <Menu
            name={t.actionsOf(n.name)}
            label={t.actions}
            actions={[
              n.cordoned
                ? { label: x.uncordon, blocked, onClick: () => cordon(false) }
                : { label: x.cordon, blocked, onClick: () => cordon(true) },
              { label: x.edit, blocked, onClick: () => navigate(part(here, 'edit')) },
              { label: t.delete, danger: true, blocked, onClick: () => setDeleting(true) },
            ]}
          />
        </div>
      }
      tabs={
        <TabNav
          label={n.name}
          tabs={[
            { to: here, label: x.tabs.overview },
            { to: part(here, 'machines'), label: x.tabs.machines },
            { to: part(here, 'jobs'), label: x.tabs.jobs },
            { to: part(here, 'timeline'), label: x.tabs.timeline },
          ]}
        />
      }
    >
      <Outlet />
      {deleting && (
        <ConfirmDelete
          kind={x.one}
          name={n.name}
          onClose={() => setDeleting(false)}
          onConfirm={() => client.DELETE('/api/v1/nodes/{node}', { params })}
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </Page>
  )
}
