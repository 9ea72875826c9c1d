import { Button, Flex, SearchInput, Toolbar, ToolbarContent, ToolbarGroup, ToolbarItem } from '@patternfly/react-core'
import type { ReactNode } from 'react'
import { t } from '@/text'
import { type Column, DataTable } from './DataTable'
import { Empty } from './Empty'
import { ErrorView } from './ErrorView'

/** Shown is a list as ListView shows it: the page's rows, and what can be done with them. */
export type Shown<T> = {
  items: T[]
  loading: boolean
  error: Error | null
  sort?: string
  page: number
  filtered: boolean
  setSort?: (sort: string) => void
  clear: () => void
  next?: () => void
  previous?: () => void
}

type Props<T> = {
  label: string
  list: Shown<T>
  columns: Column<T>[]
  rowKey: (row: T) => string
  actions?: (row: T) => ReactNode
  expand?: (row: T) => ReactNode
  selected?: Set<string>
  onSelect?: (selected: Set<string>) => void
  /** the search box's text and what it looks in; none for no box */
  search?: { value: string; onChange: (v: string) => void; by: string }
  /** beside the search box: filters, and what is done with chosen rows */
  tools?: ReactNode
  empty: ReactNode
  /** a row as a card; then cards stand in place of the table */
  cards?: (row: T) => ReactNode
}

/** ListView is a list's tools, table, empty state and pages. */
export function ListView<T>({ label, list, search, tools, empty, cards, ...table }: Props<T>) {
  const nothing = !list.loading && !list.error && list.items.length === 0
  const bare = nothing && !list.filtered && list.page === 1
  return (
    <>
      {(search || tools) && !bare && (
        <Toolbar inset={{ default: 'insetNone' }}>
          <ToolbarContent>
            {search && (
              <ToolbarItem>
                <SearchInput
                  aria-label={t.list.filterBy(search.by)}
                  placeholder={t.list.filterBy(search.by)}
                  value={search.value}
                  onChange={(_, v) => search.onChange(v)}
                  onClear={() => search.onChange('')}
                />
              </ToolbarItem>
            )}
            {tools && <ToolbarGroup className="atoll-filters">{tools}</ToolbarGroup>}
          </ToolbarContent>
        </Toolbar>
      )}
      {list.error && <ErrorView error={list.error} />}
      {bare && empty}
      {nothing && !bare && (
        <Empty
          title={t.list.noMatch}
          actions={
            <Button variant="link" onClick={list.clear}>
              {t.list.clear}
            </Button>
          }
        >
          {t.list.noMatchBody}
        </Empty>
      )}
      {cards && list.items.length > 0 && (
        <ul className="atoll-grid atoll-plain" aria-label={label}>
          {list.items.map((row) => (
            <li key={table.rowKey(row)}>{cards(row)}</li>
          ))}
        </ul>
      )}
      {!cards && !nothing && (list.items.length > 0 || list.loading) && (
        <DataTable
          label={label}
          rows={list.items}
          loading={list.loading}
          sort={list.sort}
          onSort={list.setSort}
          {...table}
        />
      )}
      {(list.next || list.previous) && (
        <Flex component="nav" aria-label={t.list.page(list.page)} justifyContent={{ default: 'justifyContentFlexEnd' }}>
          <Button variant="link" isDisabled={!list.previous} onClick={list.previous}>
            {t.list.previous}
          </Button>
          <span aria-current="page">{t.list.page(list.page)}</span>
          <Button variant="link" isDisabled={!list.next} onClick={list.next}>
            {t.list.next}
          </Button>
        </Flex>
      )}
    </>
  )
}
