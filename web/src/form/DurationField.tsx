import { Flex, FormSelect, FormSelectOption, TextInput } from '@patternfly/react-core'
import type { FieldValues } from 'react-hook-form'
import { t } from '@/text'
import { type Common, Field } from './fields'

const seconds = { s: 1, m: 60, h: 3600, d: 86_400 } as const
type Unit = keyof typeof seconds

/** secondsOf is a length of time in the API's words, such as 1h30m0s, in seconds. */
export const secondsOf = (text: string) =>
  [...text.matchAll(/(\d+(?:\.\d+)?)(h|m|s)/g)].reduce((sum, [, n, u]) => sum + Number(n) * seconds[u as Unit], 0)

/** largest is a length in the largest unit that it is a whole number of. */
export function largest(s: number): { n: number; unit: Unit } {
  for (const unit of ['d', 'h', 'm'] as const) if (s % seconds[unit] === 0) return { n: s / seconds[unit], unit }
  return { n: s, unit: 's' }
}

/** duration is a length of time for people. */
export function duration(text: string): string {
  const { n, unit } = largest(secondsOf(text))
  return t.duration.of(n, unit)
}

// What the API takes has no days.
const wordsOf = (n: number, unit: Unit) => (unit === 'd' ? `${n * 24}h` : `${n}${unit}`)

type Props<V extends FieldValues> = Common<V> & {
  /** what 0 means, where it means something other than no time at all */
  zero?: string
  /** what it means to leave it out, where that is possible */
  unset?: string
}

/** DurationField is a length of time: a number and its unit, or one of the words that stand for none. */
export function DurationField<V extends FieldValues>({ zero, unset, ...p }: Props<V>) {
  return (
    <Field {...p}>
      {({ id, value, onChange, onBlur, invalid, describedBy }) => {
        const s = secondsOf(value)
        const { n, unit } = largest(s)
        const choice = value === '' && unset !== undefined ? 'unset' : s === 0 && zero !== undefined ? 'zero' : unit
        const pick = (c: string) => {
          if (c === 'unset') onChange('')
          else if (c === 'zero') onChange('0s')
          else onChange(wordsOf(n || 1, c as Unit))
        }
        const number = choice !== 'unset' && choice !== 'zero'
        return (
          <Flex flexWrap={{ default: 'nowrap' }}>
            {number && (
              <TextInput
                id={id}
                type="number"
                min={1}
                value={n}
                onChange={(_, v) => onChange(wordsOf(Math.max(0, Number(v)), unit))}
                onBlur={onBlur}
                validated={invalid ? 'error' : 'default'}
                aria-describedby={describedBy}
                className="atoll-number"
              />
            )}
            <FormSelect
              id={number ? undefined : id}
              aria-label={t.duration.unit(p.label)}
              value={choice}
              onChange={(_, c) => pick(c)}
              onBlur={onBlur}
              className="atoll-unit"
            >
              {unset !== undefined && <FormSelectOption value="unset" label={unset} />}
              {zero !== undefined && <FormSelectOption value="zero" label={zero} />}
              {(['s', 'm', 'h', 'd'] as const).map((u) => (
                <FormSelectOption key={u} value={u} label={t.duration.units[u]} />
              ))}
            </FormSelect>
          </Flex>
        )
      }}
    </Field>
  )
}
