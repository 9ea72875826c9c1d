import { Alert, Button, Card, CardBody, CardFooter, CardTitle, Label } from '@patternfly/react-core'
import { useState } from 'react'
import { client, type Schemas } from '@/api/client'
import { newKey } from '@/form/useSubmit'
import { bytes } from '@/format'
import { useList } from '@/lists'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Time } from '@/ui/Time'
import { tell } from '../deployments/actions'
import { AddBundle, type Way } from './AddBundle'

type Project = Schemas['Project']
type Bundle = Schemas['Bundle']

const columns = (p: Project, manage: boolean): Column<Bundle>[] => [
  { label: t.bundles.revision, numeric: false, cell: (b) => b.revision },
  { label: t.bundles.kind, cell: (b) => t.bundles.kinds[b.kind] ?? b.kind },
  { label: t.bundles.from, wide: true, cell: (b) => <bdi>{b.source || t.none}</bdi> },
  {
    label: t.bundles.contains,
    wide: true,
    cell: (b) =>
      b.kind === 'files' && b.sha256 ? (
        <Copyable text={`atoll:${b.sha256}`} label={t.bundles.archiveValue} />
      ) : b.scripts?.length ? (
        <span title={b.scripts.join(', ')}>{t.bundles.count(b.scripts.length)}</span>
      ) : (
        t.none
      ),
  },
  { label: t.bundles.size, wide: true, numeric: true, cell: (b) => (b.size ? bytes(b.size) : t.none) },
  { label: t.bundles.added, cell: (b) => <Time value={b.created_at} /> },
  {
    label: t.bundles.useThis,
    cell: (b) => {
      if (b.id === p.bundle_id) return <Label status="success">{t.bundles.inUse}</Label>
      if (b.kind === 'files') return t.none
      return (
        <Button
          variant="link"
          isInline
          isAriaDisabled={!manage}
          title={manage ? undefined : t.projects.onlyAdmins}
          onClick={() => manage && tell(use(b))}
        >
          {t.bundles.useThis}
        </Button>
      )
    },
  },
]

const use = (b: Bundle) =>
  client.POST('/api/v1/bundles/{bundle}/use', {
    params: { path: { bundle: b.id }, header: { 'Idempotency-Key': newKey() } },
  })

/** Bundles are the versions of a project's control scripts, and the ways to add one. */
export function Bundles({ p, manage }: { p: Project; manage: boolean }) {
  const list = useList('/api/v1/bundles', { always: [`project=${p.id}`], sort: '-created_at', prefix: 'bundles.' })
  const [way, setWay] = useState<Way>()
  const ways: [Way, string, string, string][] = [
    ['archive', t.bundles.archive, t.bundles.archiveAbout, t.bundles.upload],
    ['oci', t.bundles.image, t.bundles.imageAbout, t.bundles.takeImage],
    ['builtin:process', t.bundles.process, t.bundles.processAbout, t.bundles.useProcess],
  ]
  return (
    <div className="atoll-stack">
      {!p.bundle_id && p.folder && <Alert variant="info" isInline title={t.bundles.folder(p.folder)} />}
      <ListView
        label={t.bundles.title}
        list={list}
        columns={columns(p, manage)}
        rowKey={(b) => b.id}
        empty={p.folder ? null : <Empty title={t.bundles.none}>{t.bundles.noneBody}</Empty>}
      />
      {manage && (
        <section aria-label={t.bundles.how}>
          <h2 className="atoll-subtitle">{t.bundles.how}</h2>
          <div className="atoll-grid">
            {ways.map(([key, title, about, verb]) => (
              <Card key={key} isCompact>
                <CardTitle component="h3">{title}</CardTitle>
                <CardBody>{about}</CardBody>
                <CardFooter>
                  <Button variant="secondary" onClick={() => setWay(key)}>
                    {verb}
                  </Button>
                </CardFooter>
              </Card>
            ))}
          </div>
        </section>
      )}
      {way && <AddBundle p={p} way={way} onClose={() => setWay(undefined)} />}
    </div>
  )
}
