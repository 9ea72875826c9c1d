import { useState } from 'react'
import { useNavigate } from 'react-router'
import { client, ifMatch, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { duration } from '@/form/DurationField'
import { FormPage } from '@/form/FormPage'
import { toast } from '@/frame/toasts'
import { paths } from '@/paths'
import { t } from '@/text'
import { Facts } from '@/ui/Facts'
import { changeOf, Fields, flagsOf, type Values, valuesOf } from './form'
import { projectQuery } from './queries'

type Project = Schemas['Project']

/** Settings is what a project is; who may, changes it here. */
export function Settings({ p, manage }: { p: Project; manage: boolean }) {
  const navigate = useNavigate()
  const [saves, setSaves] = useState(0) // each begins a form of what is saved
  if (!manage) return <Read p={p} />
  const was = valuesOf(p)
  return (
    <FormPage<Values>
      key={saves}
      defaults={was}
      edit={{
        version: p.version,
        reload: async () => {
          const now = await queries.fetchQuery({ ...projectQuery(p.id), staleTime: 0 })
          return { version: now.version, values: valuesOf(now) }
        },
        labels,
      }}
      request={(v) => ({
        method: 'PATCH',
        path: `/projects/${p.id}`,
        body: changeOf(v, was),
        cli: ['project update', p.id, ...flagsOf(changeOf(v, was))],
      })}
      submit={t.save}
      onCancel={() => navigate(paths.projects)}
      onSubmit={async (v, _, version) => {
        await client.PATCH('/api/v1/projects/{project}', {
          params: { path: { project: p.id }, header: ifMatch(version) },
          body: changeOf(v, was),
        })
        await queries.fetchQuery({ ...projectQuery(p.id), staleTime: 0 })
        toast('success', t.projects.saved)
        setSaves((n) => n + 1)
      }}
    >
      <Fields named />
    </FormPage>
  )
}

const labels = {
  name: t.projects.name,
  description: t.projects.description,
  base_domain: t.projects.baseDomain,
  namespace: t.projects.namespace,
  folder: t.projects.folder,
  role: t.projects.role,
  labels: t.projects.labels,
  script_timeout: t.projects.scriptTimeout,
  check_timeout: t.projects.checkTimeout,
  status_interval: t.projects.statusInterval,
  status_timeout: t.projects.statusTimeout,
  archive_retention: t.projects.archiveRetention,
  history: t.projects.history,
  default_ttl: t.projects.defaultTTL,
}

function Read({ p }: { p: Project }) {
  const forever = (s: string) => (s === '0s' ? t.duration.forever : duration(s))
  return (
    <Facts
      items={[
        [labels.base_domain, p.base_domain],
        [labels.description, p.description || undefined],
        [labels.namespace, p.namespace],
        [labels.role, p.role],
        [labels.folder, p.folder || undefined],
        [labels.script_timeout, duration(p.script_timeout)],
        [labels.check_timeout, duration(p.check_timeout)],
        [labels.status_interval, duration(p.status_interval)],
        [labels.status_timeout, duration(p.status_timeout)],
        [labels.default_ttl, forever(p.default_ttl)],
        [labels.archive_retention, forever(p.archive_retention)],
        [labels.history, forever(p.history)],
      ]}
    />
  )
}
