import { Button } from '@patternfly/react-core'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { duration } from '@/form/DurationField'
import { listLoader, useDebounced, useList } from '@/lists'
import { paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'

type Project = Schemas['Project']

const options = { search: 'name', scope: 'account', sort: 'name' } as const

export const loader = listLoader('/api/v1/projects', options)

const columns: Column<Project>[] = [
  {
    label: t.projects.name,
    sort: 'name',
    cell: (p) => (
      <>
        <Link to={paths.project(p.id)}>
          <bdi>{p.name}</bdi>
        </Link>
        {p.description && <div className="atoll-small atoll-clamp">{p.description}</div>}
      </>
    ),
  },
  { label: t.projects.baseDomain, cell: (p) => <code>{p.base_domain}</code> },
  {
    label: t.deployments.title,
    cell: (p) => <Link to={`${paths.deployments}?project=${p.id}`}>{t.projects.toDeployments}</Link>,
  },
  {
    label: t.projects.scripts,
    wide: true,
    cell: (p) => (p.bundle_id ? t.projects.fromBundle : p.folder ? <code>{p.folder}</code> : t.projects.noScripts),
  },
  {
    label: t.projects.defaultTTL,
    wide: true,
    cell: (p) => (p.default_ttl === '0s' ? t.duration.forever : duration(p.default_ttl)),
  },
  { label: t.deployments.created, sort: 'created_at', wide: true, cell: (p) => <Time value={p.created_at} /> },
]

/** ProjectsPage lists projects. */
export function Component() {
  const me = useMe()
  const list = useList('/api/v1/projects', options)
  const [q, setQ] = useDebounced(list.q, list.setQ)
  const may = !me.read_only && (isOperator(me) || me.memberships.some((m) => m.role === 'admin' && !m.cloudspace_id))
  const create = may && <Button component={(p) => <Link {...p} to={paths.projectCreate} />}>{t.projects.create}</Button>
  return (
    <Page title={t.projects.title} actions={create}>
      <ListView
        label={t.projects.title}
        list={list}
        columns={columns}
        rowKey={(p) => p.id}
        search={{ value: q, onChange: setQ, by: t.projects.name }}
        empty={
          <Empty title={t.projects.none} actions={create}>
            {t.projects.about}
          </Empty>
        }
      />
    </Page>
  )
}
