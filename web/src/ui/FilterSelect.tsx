import { MenuToggle, Select, SelectList, SelectOption } from '@patternfly/react-core'
import { type RefObject, useRef, useState } from 'react'
import { t } from '@/text'
import { useOpening } from './opening'

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
        <Choices
          label={label}
          value={value}
          items={items}
          toggle={toggle}
          onChoose={(v) => {
            onChange(v)
            setOpen(false)
          }}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  )
}

type ChoicesProps = {
  label: string
  value: string
  items: { value: string; label: string }[]
  toggle: RefObject<HTMLButtonElement | null>
  onChoose: (value: string) => void
  onClose: () => void
}

function Choices({ label, value, items, toggle, onChoose, onClose }: ChoicesProps) {
  return (
    <Select
      isOpen={useOpening()}
      isScrollable
      onOpenChange={(open) => open || onClose()}
      selected={value}
      onSelect={(_, v) => onChoose(v as string)}
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
  )
}
