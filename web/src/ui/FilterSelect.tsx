import { MenuToggle, Select, SelectList, SelectOption } from '@patternfly/react-core'
import { useRef, useState } from 'react'
import { t } from '@/text'

type Props = {
  label: string
  value: string
  /** the API's words; their text is that of states */
  options: readonly string[] | { value: string; label: string }[]
  onChange: (value: string) => void
}

/** FilterSelect limits a list to one value of a field, or to none. */
export function FilterSelect({ label, value, options, onChange }: Props) {
  const [open, setOpen] = useState(false)
  const items = options.map((o) => (typeof o === 'string' ? { value: o, label: t.state[o] ?? o } : o))
  const shown = items.find((o) => o.value === value)?.label
  const toggle = useRef<HTMLButtonElement>(null)
  return (
    <>
      <MenuToggle ref={toggle} isExpanded={open} onClick={() => setOpen(!open)}>
        {shown ? `${label}: ${shown}` : t.list.all(label)}
      </MenuToggle>
      {open && (
        <Select
          isOpen
          isScrollable
          onOpenChange={setOpen}
          selected={value}
          onSelect={(_, v) => {
            onChange(v as string)
            setOpen(false)
          }}
          toggle={{ toggleNode: null, toggleRef: toggle }}
        >
          <SelectList aria-label={label}>
            <SelectOption value="">{t.list.all(label)}</SelectOption>
            {items.map((o) => (
              <SelectOption key={o.value} value={o.value}>
                {o.label}
              </SelectOption>
            ))}
          </SelectList>
        </Select>
      )}
    </>
  )
}
