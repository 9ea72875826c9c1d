import { Skeleton } from '@patternfly/react-core'
import { css } from '@patternfly/react-styles'
import styles from '@patternfly/react-styles/css/components/Table/table'
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table'
import { Fragment, memo, type ReactNode, useState } from 'react'
import { t } from '@/text'

export type Column<T> = {
  /** what the API sorts by; a column without it has no sort */
  sort?: string
  label: string
  cell: (row: T) => ReactNode
  /** a number: to the right */
  numeric?: boolean
  /** left out on narrow screens */
  wide?: boolean
}

type Props<T> = {
  label: string
  columns: Column<T>[]
  rows: T[]
  rowKey: (row: T) => string
  loading?: boolean
  sort?: string
  onSort?: (sort: string) => void
  /** the row's menu */
  actions?: (row: T) => ReactNode
  /** what a row shows below it when it is opened; rows have a button for it */
  expand?: (row: T) => ReactNode
  /** chosen rows, by key, where rows can be chosen */
  selected?: Set<string>
  onSelect?: (selected: Set<string>) => void
}

/** DataTable shows rows. It knows neither where they come from nor who asked. */
export function DataTable<T>({
  label,
  columns,
  rows,
  rowKey,
  loading,
  sort,
  onSort,
  actions,
  expand,
  selected,
  onSelect,
}: Props<T>) {
  const key = sort?.replace(/^-/, '')
  const active = columns.findIndex((c) => c.sort !== undefined && c.sort === key)
  const all = rows.length > 0 && rows.every((r) => selected?.has(rowKey(r)))
  const [open, setOpen] = useState(new Set<string>())
  const toggle = (keys: string[], on: boolean) => {
    const next = new Set(selected)
    for (const k of keys) on ? next.add(k) : next.delete(k)
    onSelect?.(next)
  }
  return (
    <Table aria-label={label} variant="compact" className="atoll-table" aria-busy={loading}>
      <Thead>
        <Tr>
          {expand && <Th screenReaderText={t.details} />}
          {onSelect && (
            <Th
              aria-label={t.list.all(label)}
              select={{ isSelected: all, onSelect: (_, on) => toggle(rows.map(rowKey), on) }}
            />
          )}
          {columns.map((c, i) => (
            <Th
              key={c.label}
              modifier="nowrap"
              className={look(c)}
              sort={
                c.sort && onSort
                  ? {
                      columnIndex: i,
                      sortBy: active >= 0 ? { index: active, direction: sort?.startsWith('-') ? 'desc' : 'asc' } : {},
                      onSort: (_, __, direction) => onSort((direction === 'desc' ? '-' : '') + c.sort),
                    }
                  : undefined
              }
            >
              {c.label}
            </Th>
          ))}
          {actions && <Th screenReaderText={t.actions} />}
        </Tr>
      </Thead>
      <Tbody>
        {loading &&
          ['1', '2', '3', '4', '5'].map((n) => (
            <Tr key={n}>
              {columns.map((c) => (
                <Td key={c.label} className={c.wide ? 'atoll-wide' : undefined}>
                  <Skeleton screenreaderText={t.list.loading} />
                </Td>
              ))}
            </Tr>
          ))}
        {rows.map((row, i) => (
          <Fragment key={rowKey(row)}>
            <tr className={styles.tableTr}>
              {expand && (
                <Td
                  expand={{
                    rowIndex: i,
                    isExpanded: open.has(rowKey(row)),
                    onToggle: () => {
                      const next = new Set(open)
                      if (!next.delete(rowKey(row))) next.add(rowKey(row))
                      setOpen(next)
                    },
                  }}
                />
              )}
              {onSelect && (
                <Td
                  select={{
                    rowIndex: i,
                    isSelected: selected?.has(rowKey(row)) ?? false,
                    onSelect: (_, on) => toggle([rowKey(row)], on),
                  }}
                />
              )}
              <Cells row={row} columns={columns as Column<unknown>[]} />
              {actions && <td className={css(styles.tableTd, styles.tableAction)}>{actions(row)}</td>}
            </tr>
            {expand && open.has(rowKey(row)) && (
              <Tr isExpanded>
                <Td colSpan={columns.length + 1 + (actions ? 1 : 0) + (onSelect ? 1 : 0)}>{expand(row)}</Td>
              </Tr>
            )}
          </Fragment>
        ))}
      </Tbody>
    </Table>
  )
}

type CellsProps = { row: unknown; columns: Column<unknown>[] }

// A list is read anew with each change of one of its rows: those that are as they were
// are not drawn again.
const unchanged = (a: CellsProps, b: CellsProps) =>
  a.columns === b.columns && (a.row === b.row || JSON.stringify(a.row) === JSON.stringify(b.row))

// Plain cells: PatternFly's Td measures itself and waits for the pointer, for what
// these have no use.
const Cells = memo(
  ({ row, columns }: CellsProps) =>
    columns.map((c) => (
      <td key={c.label} data-label={c.label} className={css(styles.tableTd, look(c))}>
        {c.cell(row)}
      </td>
    )),
  unchanged,
)

const look = (c: Pick<Column<unknown>, 'wide' | 'numeric'>) =>
  css(c.wide && 'atoll-wide', c.numeric && 'atoll-numeric') || undefined
