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
import { type ClipboardEvent, useState } from 'react'
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

/** ConfigEditor is a configuration as a tree of its keys, each with what this deployment does to it. */
export function ConfigEditor({ title, help, defaults, keys, waiting, value, onChange }: Props) {
  const problems = problemsOf(value)
  const fresh = value.filter((o) => o.fresh)
  const entries = entriesOf(defaults, value)
  const change = (o: Own, next: Partial<Own>) => onChange(value.map((v) => (v === o ? { ...o, ...next } : v)))
  const hints = [...new Set([...keys, ...defaults.map((d) => d.key)])]
  const unfinished = fresh.some((o) => !parseKey(o.key))
  const row = { value, onChange, problems }
  return (
    <fieldset className="atoll-config" aria-busy={waiting}>
      <legend>{title}</legend>
      <p className="atoll-small">{help}</p>
      {fresh.map((o) => (
        <div key={o.id} className="atoll-config-row">
          <KeyInput
            value={o.key}
            onChange={(key) => change(o, { key })}
            keys={hints.filter((k) => !value.some((v) => v !== o && parseKey(v.key) === k))}
            invalid={problems.has(o.id) && o.key !== ''}
            autoFocus
          />
          <Value
            label={o.key || t.config.value}
            value={o.value}
            secret={o.secret}
            onChange={(v) => change(o, { value: v })}
          />
          <span className="atoll-config-tools">
            <StateSign state="added" />
            <SecretButton
              name={o.key}
              secret={o.secret}
              onClick={() => change(o, { secret: !o.secret || undefined })}
            />
            <Button
              variant="plain"
              icon={<TrashIcon />}
              aria-label={t.config.remove(o.key)}
              onClick={() => onChange(value.filter((v) => v !== o))}
            />
          </span>
          <Note
            problem={o.key ? problems.get(o.id) : undefined}
            base={defaults.find((d) => d.key === parseKey(o.key))}
          />
        </div>
      ))}
      <Button variant="link" icon={<PlusIcon />} isDisabled={unfinished} onClick={() => onChange([...value, newOwn()])}>
        {t.config.add}
      </Button>
      {waiting ? (
        ['60%', '80%', '70%'].map((w) => <Skeleton key={w} width={w} screenreaderText={t.config.waiting} />)
      ) : (
        <Groups groups={treeOf(entries)} depth={0} all={entries.length} {...row} />
      )}
      {!waiting && entries.length === 0 && fresh.length === 0 && <p className="atoll-small">{t.config.none}</p>}
    </fieldset>
  )
}

type RowProps = { value: Own[]; onChange: (v: Own[]) => void; problems: Map<number, string> }

function Groups({ groups, depth, all, ...row }: RowProps & { groups: Group[]; depth: number; all: number }) {
  return groups.map((g) =>
    g.below.length === 0 && g.entry ? (
      <Row key={g.path} name={g.part} entry={g.entry} {...row} />
    ) : (
      <Folder key={g.path} group={g} depth={depth} all={all} {...row} />
    ),
  )
}

// A group is open at first if people will look for something in it: a change, an
// empty value, or when there is little else.
function Folder({ group, depth, all, ...row }: RowProps & { group: Group; depth: number; all: number }) {
  const leaves = leavesOf(group)
  const changed = leaves.filter((e) => e.state !== 'default').length
  const [open, setOpen] = useState(() => all <= 12 || changed > 0 || leaves.some((e) => e.base?.value === ''))
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
          {group.entry && <Row name={group.part} entry={group.entry} {...row} />}
          <Groups groups={group.below} depth={depth + 1} all={all} {...row} />
        </>
      )}
    </ExpandableSection>
  )
}

function Row({ name, entry, value, onChange, problems }: RowProps & { name: string; entry: Entry }) {
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
          onChange={(v) => onChange(setValue(value, entry, v))}
        />
      )}
      <span className="atoll-config-tools">
        <StateSign state={state} />
        {!own?.deleted && (
          <SecretButton
            name={key}
            secret={secret}
            onClick={() => onChange(setSecret(value, entry, !secret))}
            disabled={own?.kept}
          />
        )}
        {own && base && (
          <Button
            variant="plain"
            icon={<UndoIcon />}
            aria-label={t.config.undo(key)}
            title={t.config.undo(key)}
            onClick={() => onChange(without(value, entry))}
          />
        )}
        {!own?.deleted && (
          <Button
            variant="plain"
            icon={<TrashIcon />}
            aria-label={t.config.remove(key)}
            title={t.config.remove(key)}
            onClick={() => onChange(remove(value, entry))}
          />
        )}
      </span>
      <Note problem={own && problems.get(own.id)} base={state === 'changed' ? base : undefined} />
    </div>
  )
}

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
