import { Dropdown, DropdownItem, DropdownList, MenuToggle } from '@patternfly/react-core'
import EllipsisVIcon from '@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon'
import { type ReactNode, useState } from 'react'

export type MenuAction = {
  label: string
  onClick: () => void
  /** why it cannot be done now; the entry is there, and says so */
  blocked?: string
  danger?: boolean
}

/** Menu is a menu of actions; by three dots where it has no label. */
export function Menu({ name, label, actions }: { name: string; label?: ReactNode; actions: MenuAction[] }) {
  const [open, setOpen] = useState(false)
  return (
    <Dropdown
      isOpen={open}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      popperProps={{ position: 'right' }}
      toggle={(ref) => (
        <MenuToggle
          ref={ref}
          variant={label ? 'default' : 'plain'}
          aria-label={label ? undefined : name}
          isExpanded={open}
          onClick={() => setOpen(!open)}
          icon={label ? undefined : <EllipsisVIcon />}
        >
          {label}
        </MenuToggle>
      )}
    >
      <DropdownList aria-label={name}>
        {actions.map((a) => (
          <DropdownItem
            key={a.label}
            isDanger={a.danger}
            isAriaDisabled={a.blocked !== undefined}
            description={a.blocked}
            onClick={() => a.blocked === undefined && a.onClick()}
          >
            {a.label}
          </DropdownItem>
        ))}
      </DropdownList>
    </Dropdown>
  )
}
