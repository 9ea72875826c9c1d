import { Dropdown, DropdownItem, DropdownList, MenuToggle } from '@patternfly/react-core'
import EllipsisVIcon from '@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon'
import { type ReactNode, type RefObject, useRef, useState } from 'react'
import { useOpening } from './opening'

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
      {open && (
        <OpenMenu toggle={toggle} onClose={() => setOpen(false)} label={name}>
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
        </OpenMenu>
      )}
    </>
  )
}

type OpenMenuProps = {
  /** the button that it belongs to */
  toggle: RefObject<HTMLButtonElement | null>
  onClose: () => void
  label?: string
  children: ReactNode
}

/**
 * OpenMenu is what stands behind a menu's button, made when it opens: a list has a menu in each row, and PatternFly
 * has the style of the whole page computed for each that is drawn again.
 */
export function OpenMenu({ toggle, onClose, label, children }: OpenMenuProps) {
  return (
    <Dropdown
      isOpen={useOpening()}
      onOpenChange={(open) => open || onClose()}
      onSelect={onClose}
      popperProps={{ position: 'right' }}
      toggle={{ toggleNode: null, toggleRef: toggle }}
    >
      <DropdownList aria-label={label}>{children}</DropdownList>
    </Dropdown>
  )
}
