import { Button } from '@patternfly/react-core'
import { type ReactNode, useState } from 'react'
import { Link, useNavigate } from 'react-router'
import type { List } from '@/lists'
import { part } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'

type Props<T> = {
  text: { title: string; about: string; create: string; one: string; deleting: ReactNode }
  list: List<T>
  columns: Column<T>[]
  createAt: string
  at: (id: string) => string
  onDelete: (o: T) => Promise<unknown>
}

/** Catalogue lists what operators offer to everybody, and lets them make, change and delete it. */
export function Catalogue<T extends { id: string; name: string }>(props: Props<T>) {
  const { text: x, list, columns, createAt, at, onDelete } = props
  const blocked = isOperator(useMe()) ? undefined : t.onlyOperators
  const navigate = useNavigate()
  const [deleting, setDeleting] = useState<T>()
  const create = !blocked && <Button component={(p) => <Link {...p} to={createAt} />}>{x.create}</Button>
  return (
    <Page title={x.title} lead={x.about} actions={create}>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(o) => o.id}
        empty={<Empty title={t.list.empty} actions={create} />}
        actions={(o) => (
          <Menu
            name={t.actionsOf(o.name)}
            actions={[
              { label: t.edit, blocked, onClick: () => navigate(part(at(o.id), 'edit')) },
              { label: t.delete, danger: true, blocked, onClick: () => setDeleting(o) },
            ]}
          />
        )}
      />
      {deleting && (
        <ConfirmDelete
          kind={x.one}
          name={deleting.name}
          onClose={() => setDeleting(undefined)}
          onConfirm={() => onDelete(deleting)}
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </Page>
  )
}
