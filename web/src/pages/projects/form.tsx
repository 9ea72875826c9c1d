import type { Schemas } from '@/api/client'
import { DurationField } from '@/form/DurationField'
import { TextAreaField, TextField } from '@/form/fields'
import { labelsOf, textOf } from '@/form/labels'
import { flag } from '@/form/request'
import { t } from '@/text'

type Project = Schemas['Project']

/** Values is what the forms of a project hold. */
export type Values = Record<
  | 'account'
  | 'name'
  | 'description'
  | 'base_domain'
  | 'namespace'
  | 'folder'
  | 'role'
  | 'labels'
  | 'script_timeout'
  | 'check_timeout'
  | 'status_interval'
  | 'status_timeout'
  | 'archive_retention'
  | 'history'
  | 'default_ttl',
  string
>

/** fresh are the values of a new project: what the server takes where nothing is said. */
export const fresh: Values = {
  account: '',
  name: '',
  description: '',
  base_domain: '',
  namespace: '',
  folder: '',
  role: 'runner',
  labels: '',
  script_timeout: '30m',
  check_timeout: '30s',
  status_interval: '15s',
  status_timeout: '10m',
  archive_retention: '336h',
  history: '2160h',
  default_ttl: '0s',
}

export const valuesOf = (p: Project): Values => ({
  account: p.account_id,
  name: p.name,
  description: p.description ?? '',
  base_domain: p.base_domain,
  namespace: p.namespace,
  folder: p.folder ?? '',
  role: p.role,
  labels: textOf(p.labels),
  script_timeout: p.script_timeout,
  check_timeout: p.check_timeout,
  status_interval: p.status_interval,
  status_timeout: p.status_timeout,
  archive_retention: p.archive_retention,
  history: p.history,
  default_ttl: p.default_ttl,
})

/** changeOf is what of the values is not as it was. */
export function changeOf(v: Values, was: Values): Schemas['ProjectUpdate'] {
  const { account: _, labels, ...rest } = v
  const changed = Object.entries(rest).filter(([k, x]) => x !== was[k as keyof Values])
  return { ...Object.fromEntries(changed), ...(labels === was.labels ? {} : { labels: labelsOf(labels) }) }
}

/** flagsOf is a change in words of the command line. */
export const flagsOf = (change: Schemas['ProjectUpdate']) =>
  Object.entries(change).flatMap(([k, v]) => {
    if (k === 'labels') return Object.entries(v as Record<string, string>).map(([n, x]) => flag('label', `${n}=${x}`))
    return v === '' ? `--${k.replaceAll('_', '-')} ''` : flag(k.replaceAll('_', '-'), String(v))
  })

/** Fields are all values of a project that people set. */
export function Fields({ named }: { named: boolean }) {
  const p = t.projects
  return (
    <>
      {named && <TextField<Values> name="name" label={p.name} help={p.nameHelp} required autoFocus />}
      <TextField<Values>
        name="base_domain"
        label={p.baseDomain}
        help={p.baseDomainHelp}
        placeholder="staging.example.com"
        required
      />
      <TextAreaField<Values> name="description" label={p.description} rows={2} />
      <h2 className="atoll-subtitle">{p.runners}</h2>
      <TextField<Values> name="namespace" label={p.namespace} help={p.namespaceHelp} />
      <TextField<Values> name="role" label={p.role} help={p.roleHelp} />
      <TextAreaField<Values>
        name="labels"
        label={p.labels}
        help={p.labelsHelp}
        rows={2}
        code
        rules={{ validate: (v) => labelsOf(v) !== undefined || t.deployments.labelsBad }}
      />
      <TextField<Values> name="folder" label={p.folder} help={p.folderHelp} placeholder="/opt/shop/utils" />
      <h2 className="atoll-subtitle">{p.times}</h2>
      <DurationField<Values> name="script_timeout" label={p.scriptTimeout} help={p.scriptTimeoutHelp} />
      <DurationField<Values> name="check_timeout" label={p.checkTimeout} help={p.checkTimeoutHelp} />
      <DurationField<Values> name="status_interval" label={p.statusInterval} help={p.statusIntervalHelp} />
      <DurationField<Values> name="status_timeout" label={p.statusTimeout} help={p.statusTimeoutHelp} />
      <DurationField<Values>
        name="default_ttl"
        label={p.defaultTTL}
        help={p.defaultTTLHelp}
        zero={t.duration.forever}
      />
      <DurationField<Values>
        name="archive_retention"
        label={p.archiveRetention}
        help={p.archiveRetentionHelp}
        zero={t.duration.forever}
      />
      <DurationField<Values> name="history" label={p.history} help={p.historyHelp} zero={t.duration.forever} />
    </>
  )
}
