import { TextInput } from '@patternfly/react-core'
import { type KeyboardEvent, useId, useState } from 'react'
import { t } from '@/text'
import { hints } from './config'

type Props = { value: string; onChange: (v: string) => void; keys: string[]; invalid: boolean; autoFocus?: boolean }

/** KeyInput is where a key is written; it offers those that the project's scripts know of. */
export function KeyInput({ value, onChange, keys, invalid, autoFocus }: Props) {
  const id = useId()
  const [open, setOpen] = useState(false)
  const [at, setAt] = useState(-1)
  const found = open ? hints(value, keys).filter((h) => h.key !== value) : []
  const pick = (key: string) => {
    onChange(key)
    setOpen(false)
    setAt(-1)
  }
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault()
      setOpen(true)
      setAt((n) => Math.max(-1, Math.min(found.length - 1, n + (e.key === 'ArrowDown' ? 1 : -1))))
    } else if (e.key === 'Enter') {
      e.preventDefault() // a key is chosen, the form is not sent
      const hit = found[at]
      if (hit) pick(hit.key)
    } else if (e.key === 'Escape') setOpen(false)
  }
  return (
    <span className="atoll-combo">
      <TextInput
        role="combobox"
        aria-expanded={found.length > 0}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={found[at] ? `${id}-${at}` : undefined}
        aria-label={t.config.key}
        className="atoll-code"
        placeholder={t.config.keyExample}
        value={value}
        onChange={(_, v) => {
          onChange(v)
          setOpen(true)
          setAt(-1)
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
        validated={invalid ? 'error' : 'default'}
        autoComplete="off"
        spellCheck={false}
        autoFocus={autoFocus}
      />
      <div id={`${id}-list`} role="listbox" aria-label={t.config.hints} className="atoll-hits" hidden={!found.length}>
        {found.map((h, i) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the input keeps the focus, and names the option by aria-activedescendant
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input takes the keys
          <div
            key={h.key}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === at}
            onMouseDown={(e) => e.preventDefault()} // the input keeps the focus
            onClick={() => pick(h.key)}
          >
            <span>
              {Array.from(h.key, (c, n) =>
                // biome-ignore lint/suspicious/noArrayIndexKey: letters have no other name
                h.at.includes(n) ? <b key={n}>{c}</b> : <span key={n}>{c}</span>,
              )}
            </span>
          </div>
        ))}
      </div>
    </span>
  )
}
