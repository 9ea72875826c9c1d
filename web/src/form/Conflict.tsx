import { ActionList, ActionListGroup, ActionListItem, Alert, Button, Content } from '@patternfly/react-core'
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table'
import { type ReactNode, useEffect, useRef } from 'react'
import { t } from '@/text'

type Values = Record<string, unknown>

/** Edit is what a form knows of the object that it changes. */
export type Edit<V> = {
  /** the version that the form's defaults were read from */
  version: number
  /** reads the object anew, when somebody else was quicker */
  reload: () => Promise<{ version: number; values: V }>
  /** the fields' names for people; one without is not compared */
  labels: { [K in keyof V]?: string }
  /** whether two values of a field mean the same, where their JSON does not say it */
  same?: { [K in keyof V]?: (a: V[K], b: V[K]) => boolean }
  /** how a field's value is shown, where it is no text, number or yes and no */
  show?: { [K in keyof V]?: (value: V[K]) => ReactNode }
}

/** same reports whether two values of a field are equal. */
export const same = (a: unknown, b: unknown) => JSON.stringify(a ?? '') === JSON.stringify(b ?? '')

/** Difference is one field that somebody else changed; touched if this form changes it too. */
export type Difference = { field: string; touched: boolean }

// Whether a field is the same in two versions.
function sameIn<V>(edit: Edit<V>, field: string, a: V, b: V): boolean {
  const own = edit.same?.[field as keyof V] as ((a: unknown, b: unknown) => boolean) | undefined
  return (own ?? same)((a as Values)[field], (b as Values)[field])
}

/** differences are the fields that changed since base was read, and are not now as the form has them. */
export const differences = <V extends object>(edit: Edit<V>, base: V, theirs: V, mine: V): Difference[] =>
  Object.keys(theirs)
    .filter((f) => !sameIn(edit, f, base, theirs) && !sameIn(edit, f, mine, theirs))
    .map((field) => ({ field, touched: !sameIn(edit, field, mine, base) }))

/** merged is what saving over theirs sends: what this form changed, and theirs for all else. */
export function merged<V extends object>(edit: Edit<V>, base: V, theirs: V, mine: V): V {
  const kept = Object.keys(theirs).filter((f) => !sameIn(edit, f, mine, base))
  return { ...mine, ...theirs, ...Object.fromEntries(kept.map((f) => [f, (mine as Values)[f]])) }
}

type Props<V> = {
  edit: Edit<V>
  differences: Difference[]
  theirs: V
  mine: V
  onOverwrite: () => void
  onTake: () => void
}

/** Conflict shows both versions of what two people changed at a time, and asks which one holds. */
export function Conflict<V extends object>({ edit, differences, theirs, mine, onOverwrite, onTake }: Props<V>) {
  const top = useRef<HTMLDivElement>(null)
  useEffect(() => {
    top.current?.scrollIntoView({ block: 'center' }) // newer browsers answer a promise, which is no clean-up
  }, [])
  const view = (of: V, field: string) => {
    const value = (of as Values)[field]
    const show = edit.show?.[field as keyof V] as ((v: unknown) => ReactNode) | undefined
    return show ? show(value) : plain(value)
  }
  return (
    <div ref={top}>
      <Alert
        variant="warning"
        isInline
        title={t.conflict.title}
        role="alert"
        actionLinks={
          <ActionList>
            <ActionListGroup>
              <ActionListItem>
                <Button variant="secondary" onClick={onOverwrite}>
                  {t.conflict.overwrite}
                </Button>
              </ActionListItem>
              <ActionListItem>
                <Button variant="link" onClick={onTake}>
                  {t.conflict.take}
                </Button>
              </ActionListItem>
            </ActionListGroup>
          </ActionList>
        }
      >
        <Content component="p">{t.conflict.body}</Content>
        <Table variant="compact" aria-label={t.conflict.title} className="atoll-table">
          <Thead>
            <Tr>
              <Th>{t.conflict.field}</Th>
              <Th>{t.conflict.theirs}</Th>
              <Th>{t.conflict.yours}</Th>
            </Tr>
          </Thead>
          <Tbody>
            {differences.map((d) => (
              <Tr key={d.field}>
                <Th scope="row">{edit.labels[d.field as keyof V] ?? d.field}</Th>
                <Td dataLabel={t.conflict.theirs}>
                  <bdi>{view(theirs, d.field)}</bdi>
                </Td>
                <Td dataLabel={t.conflict.yours}>
                  {d.touched ? <bdi>{view(mine, d.field)}</bdi> : <em>{t.conflict.untouched}</em>}
                </Td>
              </Tr>
            ))}
          </Tbody>
        </Table>
      </Alert>
    </div>
  )
}

function plain(value: unknown): ReactNode {
  if (value === undefined || value === null || value === '') return t.none
  if (typeof value === 'boolean') return value ? t.yes : t.no
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
