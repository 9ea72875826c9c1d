import {
  MenuSearch,
  MenuSearchInput,
  MenuToggle,
  SearchInput,
  Select,
  SelectList,
  SelectOption,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { listQuery } from '@/lists'
import { choose, useChosen } from '@/session'
import { t } from '@/text'

/** ScopeSwitcher chooses the account and the cloudspace that lists are limited to. */
export function ScopeSwitcher() {
  const chosen = useChosen()
  const [find, setFind] = useState({ account: '', cloudspace: '' })
  const accounts = useQuery(
    listQuery('/api/v1/accounts', {
      limit: 50,
      sort: 'name',
      filter: find.account ? [`name~${find.account}`] : undefined,
    }),
  )
  const conditions = [`account=${chosen.account}`]
  if (find.cloudspace) conditions.push(`name~${find.cloudspace}`)
  const cloudspaces = useQuery({
    ...listQuery('/api/v1/cloudspaces', { limit: 50, sort: 'name', filter: conditions }),
    enabled: Boolean(chosen.account),
  })
  return (
    <span className="atoll-scope">
      <Picker
        label={t.scope.account}
        all={t.scope.allAccounts}
        items={accounts.data?.items ?? []}
        value={chosen.account}
        find={find.account}
        onFind={(account) => setFind({ ...find, account })}
        onPick={(account) => choose({ account })}
      />
      {chosen.account && (
        <Picker
          label={t.scope.cloudspace}
          all={t.scope.allCloudspaces}
          items={cloudspaces.data?.items ?? []}
          value={chosen.cloudspace}
          find={find.cloudspace}
          onFind={(cloudspace) => setFind({ ...find, cloudspace })}
          onPick={(cloudspace) => choose({ ...chosen, cloudspace })}
        />
      )}
    </span>
  )
}

type PickerProps = {
  label: string
  all: string
  items: { id: string; name: string }[]
  value?: string
  find: string
  onFind: (text: string) => void
  onPick: (id?: string) => void
}

function Picker({ label, all, items, value, find, onFind, onPick }: PickerProps) {
  const [open, setOpen] = useState(false)
  const shown = items.find((i) => i.id === value)?.name ?? (value ? '…' : all)
  return (
    <Select
      isOpen={open}
      isScrollable
      onOpenChange={setOpen}
      selected={value ?? ''}
      onSelect={(_, id) => {
        onPick((id as string) || undefined)
        setOpen(false)
      }}
      toggle={(ref) => (
        <MenuToggle
          ref={ref}
          isExpanded={open}
          aria-label={`${label}: ${shown}`}
          variant="plainText"
          onClick={() => setOpen(!open)}
        >
          <bdi className="atoll-ellipsis">{shown}</bdi>
        </MenuToggle>
      )}
    >
      <MenuSearch>
        <MenuSearchInput>
          <SearchInput
            aria-label={`${t.scope.find}: ${label}`}
            value={find}
            onChange={(_, v) => onFind(v)}
            onClear={() => onFind('')}
          />
        </MenuSearchInput>
      </MenuSearch>
      <SelectList>
        <SelectOption value="">{all}</SelectOption>
        {items.map((i) => (
          <SelectOption key={i.id} value={i.id}>
            {i.name}
          </SelectOption>
        ))}
      </SelectList>
    </Select>
  )
}
