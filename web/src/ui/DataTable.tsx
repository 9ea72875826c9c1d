import { Skeleton } from '@patternfly/react-core'
import { css } from '@patternfly/react-styles'
import styles from '@patternfly/react-styles/css/components/Table/table'
import { SortColumn, Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table'
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
          {columns.map((c) => (
            <Heading key={c.label} column={c as Column<unknown>} sort={sort} onSort={onSort} />
          ))}
          {actions && (
            <th className={styles.tableTh} scope="col">
              <span className="pf-v6-screen-reader">{t.actions}</span>
            </th>
          )}
        </Tr>
      </Thead>
      <Tbody>
        {loading &&
          ['1', '2', '3', '4', '5'].map((n) => (
            <tr key={n} className={styles.tableTr}>
              {columns.map((c) => (
                <td key={c.label} className={css(styles.tableTd, c.wide && 'atoll-wide')}>
                  <Skeleton screenreaderText={t.list.loading} />
                </td>
              ))}
            </tr>
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

// Cells and headings are plain: those of PatternFly measure themselves when they have
// been drawn, which holds up the page, and wait for the pointer, for what these have no use.
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

type HeadingProps = { column: Column<unknown>; sort?: string; onSort?: (sort: string) => void }

function Heading({ column: c, sort, onSort }: HeadingProps) {
  const sorted = c.sort !== undefined && sort?.replace(/^-/, '') === c.sort
  const down = sort?.startsWith('-')
  const sortable = c.sort !== undefined && onSort !== undefined
  return (
    <th
      scope="col"
      className={css(
        styles.tableTh,
        styles.modifiers.nowrap,
        sortable && styles.tableSort,
        sortable && sorted && styles.modifiers.selected,
        look(c),
      )}
      aria-sort={sortable && sorted ? (down ? 'descending' : 'ascending') : undefined}
    >
      {sortable ? (
        <SortColumn
          isSortedBy={sorted}
          sortDirection={sorted ? (down ? 'desc' : 'asc') : ''}
          onSort={() => onSort(sorted && !down ? `-${c.sort}` : `${c.sort}`)}
        >
          {c.label}
        </SortColumn>
      ) : (
        c.label
      )}
    </th>
  )
}
