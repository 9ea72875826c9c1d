import { Alert } from '@patternfly/react-core'
import { mebibytes } from '@/format'
import { Named } from '@/names'
import { isStaff, useMe } from '@/session'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'
import { Facts } from '@/ui/Facts'
import { Time } from '@/ui/Time'
import { useMachine } from './machine'

const x = t.machines

/** OverviewTab is what a machine is. */
export function Component() {
  const m = useMachine()
  const staff = isStaff(useMe())
  const word = (state: string) => (t.state[state] ?? state).toLowerCase()
  return (
    <>
      {m.reason && (
        <Alert variant={m.state === 'failed' ? 'danger' : 'info'} isInline title={x.why} className="atoll-live">
          <span className="atoll-text">{m.reason}</span>
        </Alert>
      )}
      <Facts
        items={[
          [x.address, m.address ? <Copyable key="address" text={m.address} label={x.address} /> : ''],
          [x.image, <Named key="image" kind="image" id={m.image_id} />],
          [x.size, <Named key="size" kind="size" id={m.size_id} />],
          [x.vcpus, m.vcpus],
          [x.memory, mebibytes(m.memory_mib)],
          [x.disk, `${m.disk_gib} GiB`],
          [x.cloudspace, <Named key="cloudspace" kind="cloudspace" id={m.cloudspace_id} />],
          [x.account, <Named key="account" kind="account" id={m.account_id} />],
          [x.node, staff ? <Named key="node" kind="node" id={m.node_id} /> : undefined],
          [
            x.power,
            m.desired_power === m.observed_power
              ? (t.state[m.observed_power] ?? m.observed_power)
              : x.powerSeen(word(m.desired_power), word(m.observed_power)),
          ],
          [x.strategy, x.strategies[m.run_strategy] ?? m.run_strategy],
          [x.keys, m.ssh_keys?.length ? <Keys key="keys" lines={m.ssh_keys} /> : x.noKeys],
          [x.mac, <code key="mac">{m.mac}</code>],
          [x.created, <Time key="created" value={m.created_at} />],
          [x.id, <Copyable key="id" text={m.id} label={x.id} />],
        ]}
      />
    </>
  )
}

// A key's line is told by its comment; a line without one by its end.
function Keys({ lines }: { lines: string[] }) {
  return (
    <ul>
      {lines.map((line) => {
        const [type, key = '', ...comment] = line.trim().split(/\s+/)
        return (
          <li key={line} title={line}>
            {comment.join(' ') || `${type} …${key.slice(-8)}`}
          </li>
        )
      })}
    </ul>
  )
}
