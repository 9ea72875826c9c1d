import { Label, LabelGroup, Title } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { count, mebibytes } from '@/format'
import { Named } from '@/names'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'
import { Facts } from '@/ui/Facts'
import { Time } from '@/ui/Time'
import { CapacityBar } from './Capacity'
import { capacityQuery, measures, rolesOf, useNode } from './node'

const x = t.nodes

/** OverviewTab is what a node is, has, and how much of it is placed. */
export function Component() {
  const n = useNode()
  const f = n.facts
  const own = (useQuery(capacityQuery).data?.items ?? []).filter((q) => q.scope_id === n.id)
  const labels = Object.entries(n.labels ?? {})
  return (
    <>
      <section className="atoll-part" aria-label={x.capacity}>
        <Title headingLevel="h2">{x.capacity}</Title>
        <div className="atoll-grid">
          {measures.map((m) => {
            const q = own.find((o) => o.resource === m)
            return q && <CapacityBar key={m} q={q} />
          })}
        </div>
        {own.length === 0 && <p>{x.unknown}</p>}
      </section>
      <Title headingLevel="h2">{x.facts}</Title>
      <Facts
        items={[
          [x.reason, n.reason || undefined],
          [x.location, <Named key="location" kind="location" id={n.location_id} />],
          [x.roles, rolesOf(n.roles)],
          [
            x.labels,
            labels.length === 0 ? null : (
              <LabelGroup key="labels" numLabels={20} aria-label={x.labels}>
                {labels.map(([k, v]) => (
                  <Label key={k} isCompact variant="outline">
                    {v ? `${k}=${v}` : k}
                  </Label>
                ))}
              </LabelGroup>
            ),
          ],
          [x.overcommit, count(n.cpu_overcommit / 100)],
          [x.seen, <Time key="seen" value={n.last_seen_at} />],
          [x.version, n.agent_version],
          [x.joined, <Time key="joined" value={n.created_at} />],
          [x.os, f.os || undefined],
          [x.kernel, f.kernel || undefined],
          [x.architecture, f.architecture || undefined],
          [x.cpuModel, f.cpu_model || undefined],
          [x.cpus, f.cpus],
          [x.memory, f.memory_mib && mebibytes(f.memory_mib)],
          [x.disk, f.disk_mib && x.diskFree(mebibytes(f.disk_free_mib ?? 0), mebibytes(f.disk_mib))],
          [x.addresses, f.addresses?.join(', ') || undefined],
          [x.publicAddress, f.public_address],
          [x.accelerator, f.accelerator || undefined],
          [x.missing, f.missing?.join(', ') || undefined],
          [x.id, <Copyable key="id" text={n.id} label={x.id} />],
        ]}
      />
    </>
  )
}
