import { Dropdown, DropdownItem, DropdownList, MenuToggle } from '@patternfly/react-core'
import EllipsisVIcon from '@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon'
import { type ReactNode, useRef, useState } from 'react'

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
  const toggle = useRef<HTMLButtonElement>(null)
  return (
    <>
      <MenuToggle
        ref={toggle}
        variant={label ? 'default' : 'plain'}
        aria-label={label ? undefined : name}
        isExpanded={open}
        onClick={() => setOpen(!open)}
        icon={label ? undefined : <EllipsisVIcon />}
      >
        {label}
      </MenuToggle>
      {/* A list has one in each row: what stands behind the button is made when it opens. */}
      {open && (
        <Dropdown
          isOpen
          onOpenChange={setOpen}
          onSelect={() => setOpen(false)}
          popperProps={{ position: 'right' }}
          toggle={{ toggleNode: null, toggleRef: toggle }}
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
      )}
    </>
  )
}
