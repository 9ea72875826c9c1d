import { Button, ExpandableSection } from '@patternfly/react-core'
import { useMemo, useState } from 'react'
import { Link, type LoaderFunctionArgs, redirect, useNavigate, useSearchParams } from 'react-router'
import type { Schemas } from '@/api/client'
import { listLoader, useDebounced, useList } from '@/lists'
import { paths } from '@/paths'
import { canWriteSomewhere, roleOn, useMe } from '@/session'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'
import { type Ask, deploymentActions } from './actions'
import { Dialogs } from './Dialogs'
import { loadProjects, remember, remembered, useProjects } from './project'
import { DeploymentState, Hit, Hits, Links, Overrides } from './state'

type Deployment = Schemas['Deployment']

const of = (project: string) => (project ? [`project=${project}`] : [])

const live = (project: string) =>
  ({
    searchParam: 'search',
    filters: ['state'],
    scope: 'account',
    sort: '-status_at',
    always: ['state!=Archived', ...of(project)],
  }) as const

const archived = (project: string) =>
  ({
    searchParam: 'search',
    scope: 'account',
    sort: '-status_at',
    always: ['state=Archived', ...of(project)],
    prefix: 'archived.',
    limit: 20,
  }) as const

// The project is in the address; who comes without one looks at the one of last time.
export async function loader(args: LoaderFunctionArgs) {
  const url = new URL(args.request.url)
  const project = url.searchParams.get('project')
  const last = remembered()
  if (project === null && last && (await loadProjects()).some((p) => p.id === last)) {
    url.searchParams.set('project', last)
    return redirect(url.pathname + url.search)
  }
  void loadProjects()
  listLoader('/api/v1/deployments', live(project ?? ''))(args)
  return listLoader('/api/v1/deployments', archived(project ?? ''))(args)
}

const columns = (projects?: Map<string, string>): Column<Deployment>[] => [
  {
    label: t.deployments.name,
    sort: 'name',
    cell: (d) => (
      <>
        <Link to={paths.deployment(d.id)}>
          <Hit d={d} of="name" />
        </Link>
        {projects && <div className="atoll-small">{projects.get(d.project_id)}</div>}
        <Hits d={d} />
      </>
    ),
  },
  { label: t.deployments.state, sort: 'state', cell: (d) => <DeploymentState d={d} /> },
  { label: t.deployments.links, cell: (d) => <Links d={d} /> },
  { label: t.deployments.overrides, wide: true, cell: (d) => <Overrides d={d} /> },
  { label: t.deployments.created, sort: 'created_at', wide: true, cell: (d) => <Time value={d.created_at} /> },
  { label: t.deployments.changed, sort: 'status_at', wide: true, cell: (d) => <Time value={d.status_at} /> },
  { label: t.deployments.owner, wide: true, cell: (d) => <Hit d={d} of="owner" /> },
]

/** DeploymentsPage lists the deployments of a project, or of all, and below them those that are archived. */
export function Component() {
  const me = useMe()
  const navigate = useNavigate()
  const [params, setParams] = useSearchParams()
  const projects = useProjects()
  const project = params.get('project') ?? ''
  const [ask, setAsk] = useState<Ask>()
  const list = useList('/api/v1/deployments', live(project))
  const [q, setQ] = useDebounced(list.q, list.setQ)
  const pick = (id: string) => {
    remember(id)
    setParams(id ? { project: id } : {})
  }
  const picker = projects.length > 1 && (
    <FilterSelect
      label={t.deployments.project}
      value={project}
      options={projects.map((p) => ({ value: p.id, label: p.name }))}
      onChange={pick}
    />
  )
  const create = canWriteSomewhere(me) && projects.length > 0 && (
    <Button component={(p) => <Link {...p} to={paths.deploymentCreate + (project && `?project=${project}`)} />}>
      {t.deployments.create}
    </Button>
  )
  const shown = useMemo(() => {
    const names = new Map(projects.map((p) => [p.id, p.name]))
    return columns(project || projects.length < 2 ? undefined : names)
  }, [project, projects])
  const table = {
    columns: shown,
    rowKey: (d: Deployment) => d.id,
    actions: (d: Deployment) => (
      <Menu name={t.actionsOf(d.name)} actions={deploymentActions(d, roleOn(me, scopeOf(d)), navigate, setAsk)} />
    ),
  }
  return (
    <Page title={t.deployments.title} label={picker} actions={create}>
      <ListView
        label={t.deployments.title}
        list={list}
        {...table}
        search={{ value: q, onChange: setQ, by: t.deployments.searchBy }}
        tools={
          <FilterSelect
            label={t.deployments.state}
            value={list.filter('state')}
            options={['Running', 'Failure', 'CreatePending', 'UpdatePending', 'DeletePending']}
            onChange={(v) => list.setFilter('state', v)}
          />
        }
        empty={
          projects.length === 0 ? (
            <Empty title={t.deployments.noProject} actions={<Link to={paths.projects}>{t.projects.title}</Link>}>
              {t.deployments.noProjectBody}
            </Empty>
          ) : (
            <Empty title={t.deployments.noneLive} actions={create}>
              {t.deployments.about}
            </Empty>
          )
        }
      />
      <Archived project={project} table={table} />
      {ask && <Dialogs ask={ask} onClose={() => setAsk(undefined)} />}
    </Page>
  )
}

type Table = Pick<Parameters<typeof ListView<Deployment>>[0], 'columns' | 'rowKey' | 'actions'>

function Archived({ project, table }: { project: string; table: Table }) {
  const [open, setOpen] = useState(false)
  const list = useList('/api/v1/deployments', archived(project))
  const [q, setQ] = useDebounced(list.q, list.setQ)
  if (list.items.length === 0 && !list.filtered && list.page === 1) return null
  return (
    <ExpandableSection
      isExpanded={open}
      onToggle={(_, o) => setOpen(o)}
      toggleText={open ? t.deployments.hideArchived : t.deployments.showArchived}
    >
      {open && (
        <ListView
          label={t.deployments.archivedTitle}
          list={list}
          {...table}
          columns={table.columns.filter((c) => c.label !== t.deployments.links)}
          search={{ value: q, onChange: setQ, by: t.deployments.searchBy }}
          empty={null}
        />
      )}
    </ExpandableSection>
  )
}

/** scopeOf is where rights on a deployment are given. */
const scopeOf = (d: Deployment) => ({ account_id: d.account_id, project_id: d.project_id })
