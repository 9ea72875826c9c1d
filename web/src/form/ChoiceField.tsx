import {
  Card,
  CardBody,
  CardHeader,
  CardTitle,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
} from '@patternfly/react-core'
import { type ReactNode, useId } from 'react'
import { type FieldValues, type Path, type RegisterOptions, useController, useFormContext } from 'react-hook-form'
import { t } from '@/text'

export type Choice = {
  value: string
  title: string
  body?: ReactNode
  /** why it cannot be chosen; the card is there, and says so */
  blocked?: string
}

type Props<V extends FieldValues> = {
  name: Path<V>
  label: string
  choices: Choice[]
  required?: boolean
  /** what stands where there is nothing to choose from */
  empty?: ReactNode
}

/** ChoiceField is one of a few that are worth a card each. */
export function ChoiceField<V extends FieldValues>({ name, label, choices, required, empty }: Props<V>) {
  const id = useId()
  const { control } = useFormContext<V>()
  const { field, fieldState } = useController({
    name,
    control,
    rules: { required: required ? t.form.required : false } as RegisterOptions<V>,
  })
  return (
    <FormGroup label={label} role="radiogroup" fieldId={id} isRequired={required} id={id}>
      {choices.length === 0 && empty}
      <div className="atoll-choices">
        {choices.map((c) => (
          <Card
            key={c.value}
            id={`${id}-${c.value}`}
            isCompact
            isSelectable
            isSelected={field.value === c.value}
            isDisabled={c.blocked !== undefined}
          >
            <CardHeader
              selectableActions={{
                selectableActionId: `${id}-${c.value}-input`,
                selectableActionAriaLabelledby: `${id}-${c.value}-title`,
                name: id,
                variant: 'single',
                onChange: () => field.onChange(c.value),
              }}
            >
              <CardTitle id={`${id}-${c.value}-title`} className="atoll-text">
                <bdi>{c.title}</bdi>
              </CardTitle>
            </CardHeader>
            {(c.body || c.blocked) && (
              <CardBody className="atoll-text atoll-small">
                {c.body}
                {c.blocked && <div>{c.blocked}</div>}
              </CardBody>
            )}
          </Card>
        ))}
      </div>
      {fieldState.error && (
        <FormHelperText>
          <HelperText isLiveRegion>
            <HelperTextItem variant="error">{fieldState.error.message}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      )}
    </FormGroup>
  )
}
