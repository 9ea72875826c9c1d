import {
  Checkbox,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  TextArea,
  TextInput,
} from '@patternfly/react-core'
import type { ReactNode } from 'react'
import { Controller, type FieldValues, type Path, type RegisterOptions, useFormContext } from 'react-hook-form'
import { t } from '@/text'

/** Common is what all fields take. */
export type Common<V extends FieldValues> = {
  name: Path<V>
  label: string
  help?: ReactNode
  required?: boolean
  rules?: Omit<RegisterOptions<V>, 'required'>
}

type Render = (p: {
  id: string
  value: string
  onChange: (v: string | number | undefined) => void
  onBlur: () => void
  invalid: boolean
  describedBy: string
}) => ReactNode

/** Field is the shape that all fields share: label, input, and below it the error or the help. */
export function Field<V extends FieldValues>({
  name,
  label,
  help,
  required,
  rules,
  children,
}: Common<V> & { children: Render }) {
  const { control } = useFormContext<V>()
  const id = `field-${name}`
  return (
    <Controller
      name={name}
      control={control}
      rules={{ required: required ? t.form.required : false, ...rules } as RegisterOptions<V>}
      render={({ field, fieldState }) => (
        <FormGroup label={label} fieldId={id} isRequired={required}>
          {children({
            id,
            value: field.value ?? '',
            onChange: field.onChange,
            onBlur: field.onBlur,
            invalid: fieldState.invalid,
            describedBy: `${id}-help`,
          })}
          {(fieldState.error || help) && (
            <FormHelperText>
              <HelperText id={`${id}-help`} isLiveRegion>
                <HelperTextItem variant={fieldState.error ? 'error' : 'default'}>
                  {fieldState.error?.message || help}
                </HelperTextItem>
              </HelperText>
            </FormHelperText>
          )}
        </FormGroup>
      )}
    />
  )
}

const status = (invalid: boolean) => (invalid ? 'error' : 'default')

type TextProps<V extends FieldValues> = Common<V> & {
  type?: 'text' | 'password' | 'email' | 'url'
  autoComplete?: string
  placeholder?: string
  autoFocus?: boolean
}

/** TextField is one line of text. */
export function TextField<V extends FieldValues>(p: TextProps<V>) {
  return (
    <Field {...p}>
      {({ id, value, onChange, onBlur, invalid, describedBy }) => (
        <TextInput
          id={id}
          type={p.type ?? 'text'}
          value={value}
          onChange={(_, v) => onChange(v)}
          onBlur={onBlur}
          validated={status(invalid)}
          aria-describedby={describedBy}
          isRequired={p.required}
          autoComplete={p.autoComplete ?? 'off'}
          placeholder={p.placeholder}
          autoFocus={p.autoFocus}
        />
      )}
    </Field>
  )
}

/** NumberField is a whole number; empty is undefined. */
export function NumberField<V extends FieldValues>(p: Common<V> & { min?: number; max?: number }) {
  return (
    <Field {...p} rules={{ min: p.min, max: p.max, ...p.rules } as RegisterOptions<V>}>
      {({ id, value, onChange, onBlur, invalid, describedBy }) => (
        <TextInput
          id={id}
          type="number"
          value={value}
          min={p.min}
          max={p.max}
          onChange={(_, v) => onChange(v === '' ? undefined : Number(v))}
          onBlur={onBlur}
          validated={status(invalid)}
          aria-describedby={describedBy}
          isRequired={p.required}
        />
      )}
    </Field>
  )
}

/** TextAreaField is text of several lines. */
export function TextAreaField<V extends FieldValues>(
  p: Common<V> & { rows?: number; code?: boolean; placeholder?: string },
) {
  return (
    <Field {...p}>
      {({ id, value, onChange, onBlur, invalid, describedBy }) => (
        <TextArea
          id={id}
          value={value}
          rows={p.rows ?? 4}
          className={p.code ? 'atoll-code' : undefined}
          onChange={(_, v) => onChange(v)}
          onBlur={onBlur}
          validated={status(invalid)}
          aria-describedby={describedBy}
          resizeOrientation="vertical"
          placeholder={p.placeholder}
          spellCheck={!p.code}
        />
      )}
    </Field>
  )
}

/** SelectField is one of a few. */
export function SelectField<V extends FieldValues>(
  p: Common<V> & { options: { value: string; label: string }[]; placeholder?: string },
) {
  return (
    <Field {...p}>
      {({ id, value, onChange, onBlur, invalid, describedBy }) => (
        <FormSelect
          id={id}
          value={value}
          onChange={(_, v) => onChange(v)}
          onBlur={onBlur}
          validated={status(invalid)}
          aria-describedby={describedBy}
        >
          {p.placeholder !== undefined && <FormSelectOption value="" label={p.placeholder} isPlaceholder />}
          {p.options.map((o) => (
            <FormSelectOption key={o.value} value={o.value} label={o.label} />
          ))}
        </FormSelect>
      )}
    </Field>
  )
}

/** CheckField is yes or no. */
export function CheckField<V extends FieldValues>({ name, label, help }: Pick<Common<V>, 'name' | 'label' | 'help'>) {
  const { control } = useFormContext<V>()
  return (
    <Controller
      name={name}
      control={control}
      render={({ field }) => (
        <Checkbox
          id={`field-${name}`}
          label={label}
          description={help}
          isChecked={Boolean(field.value)}
          onChange={(_, on) => field.onChange(on)}
        />
      )}
    />
  )
}
