// Where things stand in the picture of a cloudspace.
import type { Schemas } from '@/api/client'

type Machine = Schemas['Machine']
type Forward = Schemas['PortForward']

/** shown is how many machines the picture has room for; the table has all. */
export const shown = 200

export const box = { width: 168, height: 46, gap: 14 }
const pill = { height: 26, gap: 6 }
const left = 330 // where the network begins
const top = 54 // below the network's name

export type Spot = { machine: Machine; x: number; y: number }
export type Wire = { forward: Forward; y: number; to?: Spot; path: string }
export type Layout = {
  width: number
  height: number
  spots: Spot[]
  wires: Wire[]
  gatewayHeight: number
  left: number
}

/**
 * layout places the machines in columns, those that are reached from outside first,
 * so that the lines of port forwards are short and do not cross boxes.
 */
export function layout(machines: Machine[], forwards: Forward[]): Layout {
  const ports = forwards.toSorted((a, b) => a.public_port - b.public_port)
  const order = new Map<string, number>()
  for (const f of ports) if (!order.has(f.machine_id)) order.set(f.machine_id, order.size)
  const rank = (m: Machine) => order.get(m.id) ?? Number.POSITIVE_INFINITY
  const sorted = machines
    .toSorted((a, b) => (rank(a) === rank(b) ? a.name.localeCompare(b.name) : rank(a) - rank(b)))
    .slice(0, shown)
  const rows = Math.max(order.size, 5, Math.ceil(sorted.length / 6))
  const spots = sorted.map((machine, i) => ({
    machine,
    x: left + 70 + Math.floor(i / rows) * (box.width + box.gap),
    y: top + (i % rows) * (box.height + box.gap),
  }))
  const columns = Math.max(1, Math.ceil(sorted.length / rows))
  const inner = Math.min(rows, Math.max(sorted.length, 1)) * (box.height + box.gap)
  const gatewayHeight = 76 + ports.length * (pill.height + pill.gap)
  const wires = ports.map((forward, i) => {
    const y = top + 62 + i * (pill.height + pill.gap)
    const to = spots.find((s) => s.machine.id === forward.machine_id)
    if (!to) return { forward, y, path: '' }
    const [x2, y2] = [to.x, to.y + box.height / 2]
    return { forward, y, to, path: `M ${left - 10} ${y} C ${left + 35} ${y}, ${x2 - 45} ${y2}, ${x2} ${y2}` }
  })
  return {
    width: left + 70 + columns * (box.width + box.gap) + 20,
    height: top + Math.max(inner, gatewayHeight) + 24,
    spots,
    wires,
    gatewayHeight,
    left,
  }
}
