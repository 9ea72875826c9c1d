import {
  Button,
  Form,
  FormGroup,
  FormSelect,
  FormSelectOption,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  TextArea,
  TextInput,
} from '@patternfly/react-core'
import { type FormEvent, useState } from 'react'
import { useNavigate } from 'react-router'
import { client, ifMatch, type Schemas } from '@/api/client'
import { Equivalent } from '@/form/Equivalent'
import { newKey } from '@/form/FormPage'
import { flag, quote } from '@/form/request'
import { paths } from '@/paths'
import { isOperator, useChosen, useMe } from '@/session'
import { t } from '@/text'
import { ErrorView } from '@/ui/ErrorView'

const x = t.pages

/** SpaceForm creates a space, or changes one. */
export function SpaceForm({ space, onClose }: { space?: Schemas['WikiSpace']; onClose: () => void }) {
  const operator = isOperator(useMe())
  const { account } = useChosen()
  const navigate = useNavigate()
  const [key] = useState(newKey)
  const [error, setError] = useState<Error>()
  const [typed, setTyped] = useState({
    name: space?.name ?? '',
    title: space?.title ?? '',
    description: space?.description ?? '',
    readers: space?.readers ?? ('scope' as const),
  })
  const scope = account && !space ? { account } : {}
  const body = { ...scope, ...typed }
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    try {
      if (space) {
        const params = { path: { space: space.id }, header: ifMatch(space.version) }
        await client.PATCH('/api/v1/spaces/{space}', { params, body: typed })
        onClose()
      } else {
        const params = { header: { 'Idempotency-Key': key } }
        const made = await client.POST('/api/v1/spaces', { params, body })
        navigate(paths.space(made.data?.id ?? ''))
      }
    } catch (e) {
      setError(e as Error)
    }
  }
  const text = (field: 'name' | 'title', label: string) => (
    <FormGroup label={label} fieldId={`space-${field}`} isRequired={field === 'name'}>
      <TextInput
        id={`space-${field}`}
        value={typed[field]}
        onChange={(_, v) => setTyped({ ...typed, [field]: v })}
        autoFocus={field === 'name'}
      />
    </FormGroup>
  )
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="space-form-title">
      <ModalHeader title={space ? space.title : x.spaceCreate} labelId="space-form-title" />
      <ModalBody>
        {error && <ErrorView error={error} />}
        <Form id="space-form" onSubmit={submit}>
          {!space && (
            <p>
              {x.scope}: {account ? x.chosenAccount : x.installation}
            </p>
          )}
          {text('name', x.spaceName)}
          {text('title', x.spaceTitle)}
          <FormGroup label={x.description} fieldId="space-description">
            <TextArea
              id="space-description"
              value={typed.description}
              onChange={(_, description) => setTyped({ ...typed, description })}
            />
          </FormGroup>
          {operator && (
            <FormGroup label={x.readers} fieldId="space-readers">
              <FormSelect
                id="space-readers"
                value={typed.readers}
                onChange={(_, readers) => setTyped({ ...typed, readers: readers as typeof typed.readers })}
              >
                {Object.entries(x.readersOf).map(([value, label]) => (
                  <FormSelectOption key={value} value={value} label={label} />
                ))}
              </FormSelect>
            </FormGroup>
          )}
          <Equivalent
            request={() => ({
              method: space ? 'PATCH' : 'POST',
              path: space ? `/spaces/${space.id}` : '/spaces',
              body: space ? typed : body,
              cli: [
                space ? `space update ${space.id}` : `space create ${quote(typed.name || 'NAME')}`,
                flag('account', scope.account),
                flag('title', typed.title),
                flag('description', typed.description),
                flag('readers', typed.readers),
              ],
            })}
          />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="space-form" isDisabled={!typed.name}>
          {space ? t.save : t.create}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t.cancel}
        </Button>
      </ModalFooter>
    </Modal>
  )
}
