import {
  Button,
  ExpandableSection,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Skeleton,
  TextArea,
  TextInput,
} from '@patternfly/react-core'
import LockIcon from '@patternfly/react-icons/dist/esm/icons/lock-icon'
import LockOpenIcon from '@patternfly/react-icons/dist/esm/icons/lock-open-icon'
import PlusIcon from '@patternfly/react-icons/dist/esm/icons/plus-icon'
import TrashIcon from '@patternfly/react-icons/dist/esm/icons/trash-icon'
import UndoIcon from '@patternfly/react-icons/dist/esm/icons/undo-icon'
import { type ClipboardEvent, memo, useCallback, useLayoutEffect, useRef, useState } from 'react'
import { t } from '@/text'
import { StateSign } from '@/ui/StateSign'
import {
  type Entry,
  entriesOf,
  type Group,
  type KeyValue,
  leavesOf,
  newOwn,
  type Own,
  parseKey,
  problemsOf,
  remove,
  setSecret,
  setValue,
  treeOf,
  without,
} from './config'
import { KeyInput } from './KeyInput'

type Props = {
  title: string
  help: string
  defaults: KeyValue[]
  keys: string[]
  /** the defaults are being asked for */
  waiting: boolean
  value: Own[]
  onChange: (v: Own[]) => void
}

// How many rows of a level are there at first, and come when more are asked for.
const some = 50

/** Change makes a new list of the values of this deployment's own out of the one that holds. */
type Change = (next: (own: Own[]) => Own[]) => void

/** ConfigEditor is a configuration as a tree of its keys, each with what this deployment does to it. */
export function ConfigEditor({ title, help, defaults, keys, waiting, value, onChange }: Props) {
  const problems = problemsOf(value)
  const fresh = value.filter((o) => o.fresh)
  const entries = entriesOf(defaults, value)
  const hints = [...new Set([...keys, ...defaults.map((d) => d.key)])]
  const unfinished = fresh.some((o) => !parseKey(o.key))
  // The same function each time, so that rows that nobody changes are not drawn again.
  const latest = useRef({ value, onChange })
  useLayoutEffect(() => {
    latest.current = { value, onChange }
  })
  const change = useCallback<Change>((next) => latest.current.onChange(next(latest.current.value)), [])
  return (
    <fieldset className="atoll-config" aria-busy={waiting}>
      <legend>{title}</legend>
      <p className="atoll-small">{help}</p>
      {fresh.map((o) => (
        <Fresh
          key={o.id}
          own={o}
          keys={hints}
          value={value}
          problem={o.key ? problems.get(o.id) : undefined}
          invalid={problems.has(o.id) && o.key !== ''}
          base={defaults.find((d) => d.key === parseKey(o.key))}
          change={change}
        />
      ))}
      <Button variant="link" icon={<PlusIcon />} isDisabled={unfinished} onClick={() => onChange([...value, newOwn()])}>
        {t.config.add}
      </Button>
      {waiting ? (
        ['60%', '80%', '70%'].map((w) => <Skeleton key={w} width={w} screenreaderText={t.config.waiting} />)
      ) : (
        <Groups groups={treeOf(entries)} all={entries.length} problems={problems} change={change} />
      )}
      {!waiting && entries.length === 0 && fresh.length === 0 && <p className="atoll-small">{t.config.none}</p>}
    </fieldset>
  )
}

type FreshProps = {
  own: Own
  keys: string[]
  value: Own[]
  problem?: string
  invalid: boolean
  base?: KeyValue
  change: Change
}

// A value that is being added: its key is written, too.
function Fresh({ own: o, keys, value, problem, invalid, base, change }: FreshProps) {
  const set = (next: Partial<Own>) => change((list) => list.map((v) => (v === o ? { ...o, ...next } : v)))
  const taken = new Set(value.filter((v) => v !== o).map((v) => parseKey(v.key)))
  return (
    <div className="atoll-config-row">
      <KeyInput
        value={o.key}
        onChange={(key) => set({ key })}
        keys={keys.filter((k) => !taken.has(k))}
        invalid={invalid}
        autoFocus
      />
      <Value label={o.key || t.config.value} value={o.value} secret={o.secret} onChange={(v) => set({ value: v })} />
      <span className="atoll-config-tools">
        <StateSign state="added" />
        <SecretButton name={o.key} secret={o.secret} onClick={() => set({ secret: !o.secret || undefined })} />
        <Button
          variant="plain"
          icon={<TrashIcon />}
          aria-label={t.config.remove(o.key)}
          onClick={() => change((list) => list.filter((v) => v !== o))}
        />
      </span>
      <Note problem={problem} base={base} />
    </div>
  )
}

type LevelProps = { all: number; problems: Map<number, string>; change: Change }

// One level of the tree: its first rows, and all that are not as the defaults say.
function Groups({ groups, ...level }: LevelProps & { groups: Group[] }) {
  const [most, setMost] = useState(some)
  const shown = groups.length > most ? groups.filter((g, i) => i < most || isChanged(g)) : groups
  const hidden = groups.length - shown.length
  return (
    <>
      {shown.map((g) =>
        g.below.length === 0 && g.entry ? (
          <Leaf key={g.path} name={g.part} entry={g.entry} {...level} />
        ) : (
          <Folder key={g.path} group={g} {...level} />
        ),
      )}
      {hidden > 0 && (
        <Button variant="link" isInline onClick={() => setMost(most + some)}>
          {t.config.more(Math.min(hidden, some), hidden)}
        </Button>
      )}
    </>
  )
}

const isChanged = (g: Group): boolean => (g.entry && g.entry.state !== 'default') || g.below.some(isChanged)

// A group is open at first if people will look for something in it: a change, an
// empty value, or when there is little else.
function Folder({ group, ...level }: LevelProps & { group: Group }) {
  const leaves = leavesOf(group)
  const changed = leaves.filter((e) => e.state !== 'default').length
  const [open, setOpen] = useState(() => level.all <= 12 || changed > 0 || leaves.some((e) => e.base?.value === ''))
  return (
    <ExpandableSection
      isIndented
      className={changed ? 'atoll-config-changed' : undefined}
      isExpanded={open}
      onToggle={(_, o) => setOpen(o)}
      toggleContent={
        <>
          <code>{group.part}</code>{' '}
          <span className="atoll-small">
            {t.config.count(leaves.length)}
            {changed > 0 && `, ${t.config.changes(changed)}`}
          </span>
        </>
      }
    >
      {open && (
        <>
          {group.entry && <Leaf name={group.part} entry={group.entry} {...level} />}
          <Groups groups={group.below} {...level} />
        </>
      )}
    </ExpandableSection>
  )
}

function Leaf({ name, entry, problems, change }: LevelProps & { name: string; entry: Entry }) {
  return <Row name={name} entry={entry} problem={entry.own && problems.get(entry.own.id)} change={change} />
}

type RowProps = { name: string; entry: Entry; problem?: string; change: Change }

const unchanged = (a: RowProps, b: RowProps) =>
  a.name === b.name &&
  a.problem === b.problem &&
  a.entry.state === b.entry.state &&
  a.entry.own === b.entry.own &&
  a.entry.base?.value === b.entry.base?.value &&
  a.entry.base?.secret === b.entry.base?.secret

const Row = memo(({ name, entry, problem, change }: RowProps) => {
  const { own, base, state, key } = entry
  const secret = own ? own.secret : base?.secret
  return (
    <div className={`atoll-config-row atoll-config-${state}`}>
      <code className="atoll-config-key" title={key}>
        {name}
      </code>
      {own?.deleted ? (
        <del className="atoll-text">{base?.value}</del>
      ) : (
        <Value
          label={key}
          value={own ? own.value : (base?.value ?? '')}
          secret={secret}
          placeholder={own?.kept ? t.config.kept : undefined}
          onChange={(v) => change((list) => setValue(list, entry, v))}
        />
      )}
      <span className="atoll-config-tools">
        <StateSign state={state} />
        {!own?.deleted && (
          <SecretButton
            name={key}
            secret={secret}
            onClick={() => change((list) => setSecret(list, entry, !secret))}
            disabled={own?.kept}
          />
        )}
        {own && base && (
          <Button
            variant="plain"
            icon={<UndoIcon />}
            aria-label={t.config.undo(key)}
            title={t.config.undo(key)}
            onClick={() => change((list) => without(list, entry))}
          />
        )}
        {!own?.deleted && (
          <Button
            variant="plain"
            icon={<TrashIcon />}
            aria-label={t.config.remove(key)}
            title={t.config.remove(key)}
            onClick={() => change((list) => remove(list, entry))}
          />
        )}
      </span>
      <Note problem={problem} base={state === 'changed' ? base : undefined} />
    </div>
  )
}, unchanged)

function SecretButton(p: { name: string; secret?: boolean; onClick: () => void; disabled?: boolean }) {
  const text = p.disabled ? t.config.isSecret : p.secret ? t.config.unsecret : t.config.secret
  return (
    <Button
      variant="plain"
      icon={p.secret ? <LockIcon /> : <LockOpenIcon />}
      aria-label={`${text}: ${p.name}`}
      aria-pressed={Boolean(p.secret)}
      title={text}
      isAriaDisabled={p.disabled}
      onClick={p.onClick}
    />
  )
}

function Note({ problem, base }: { problem?: string; base?: KeyValue }) {
  if (!problem && !base) return null
  return (
    <FormHelperText className="atoll-config-note">
      <HelperText isLiveRegion>
        <HelperTextItem variant={problem ? 'error' : 'default'}>
          {problem ?? (
            <>
              {t.config.default} <code>{base?.value || t.config.empty}</code>
            </>
          )}
        </HelperTextItem>
      </HelperText>
    </FormHelperText>
  )
}

type ValueProps = {
  label: string
  value: string
  secret?: boolean
  placeholder?: string
  onChange: (v: string) => void
}

// One line, or several where the value has them: an input of one line would drop the
// line ends of what is pasted.
function Value({ label, value, secret, placeholder, onChange }: ValueProps) {
  const common = { 'aria-label': t.config.valueOf(label), value, className: 'atoll-code', spellCheck: false }
  if (value.includes('\n') && !secret)
    return (
      <TextArea
        {...common}
        rows={Math.min(8, value.split('\n').length)}
        onChange={(_, v) => onChange(v)}
        resizeOrientation="vertical"
      />
    )
  const onPaste = (e: ClipboardEvent<HTMLInputElement>) => {
    const text = e.clipboardData.getData('text').replace(/\r\n/g, '\n')
    if (!text.includes('\n')) return
    e.preventDefault()
    const { selectionStart: from, selectionEnd: to } = e.currentTarget
    onChange(value.slice(0, from ?? 0) + text + value.slice(to ?? value.length))
  }
  return (
    <TextInput
      {...common}
      type={secret ? 'password' : 'text'}
      placeholder={placeholder ?? t.config.empty}
      onChange={(_, v) => onChange(v)}
      onPaste={onPaste}
      autoComplete={secret ? 'new-password' : 'off'}
    />
  )
}
