import {
  Alert,
  Button,
  Checkbox,
  Content,
  FormGroup,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useFormContext } from 'react-hook-form'
import { client, type Schemas } from '@/api/client'
import { FormModal } from '@/form/FormModal'
import { NumberField, SelectField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { listQuery } from '@/lists'
import { t } from '@/text'
import { CodeCopy } from '@/ui/CodeCopy'

const x = t.joinTokens

type Values = { location: string; roles: string[]; uses?: number; ttl: string }

const bodyOf = (v: Values): Schemas['JoinTokenCreate'] => ({
  ...(v.location && { location: v.location }),
  ...(v.roles.length > 0 && { roles: v.roles }),
  ...(v.uses && { uses: v.uses }),
  ...(v.ttl && { ttl: v.ttl }),
})

/** JoinTokenCreate makes a join token and shows it once, with what to do with it. */
export function JoinTokenCreate({ onClose }: { onClose: () => void }) {
  const [made, setMade] = useState<Schemas['JoinTokenCreated']>()
  const locations = useQuery(listQuery('/api/v1/locations', { limit: 1000 })).data?.items ?? []
  if (made) return <Shown made={made} onClose={onClose} />
  return (
    <FormModal<Values>
      title={x.create}
      lead={x.about}
      defaults={{ location: '', roles: [], uses: 1, ttl: '24h' }}
      submit={x.create}
      onClose={onClose}
      request={(v) => ({
        method: 'POST',
        path: '/join-tokens',
        body: bodyOf(v),
        cli: [
          'node token create',
          flag('location', v.location),
          ...v.roles.map((r) => flag('role', r)),
          flag('uses', v.uses),
          flag('ttl', v.ttl),
        ],
      })}
      onSubmit={async (v, key) => {
        const params = { header: { 'Idempotency-Key': key } }
        const { data } = await client.POST('/api/v1/join-tokens', { params, body: bodyOf(v) })
        setMade(data)
        return false
      }}
    >
      {locations.length > 1 && (
        <SelectField<Values>
          name="location"
          label={x.location}
          options={locations.map((l) => ({ value: l.name, label: l.name }))}
          placeholder=""
          required
        />
      )}
      <RolesField />
      <NumberField<Values> name="uses" label={x.uses} min={1} max={100_000} required />
      <TextField<Values> name="ttl" label={x.ttl} help={x.ttlHelp} required />
    </FormModal>
  )
}

function RolesField() {
  const { watch, setValue } = useFormContext<Values>()
  const chosen = watch('roles')
  return (
    <FormGroup label={`${x.roles} (${x.allRoles})`} role="group" fieldId="roles">
      {Object.entries(t.nodes.role).map(([role, label]) => (
        <Checkbox
          key={role}
          id={`role-${role}`}
          label={label}
          isChecked={chosen.includes(role)}
          onChange={(_, on) => setValue('roles', on ? [...chosen, role] : chosen.filter((r) => r !== role))}
        />
      ))}
    </FormGroup>
  )
}

// The commands as they are typed on the new server. The token goes through a file, so
// that it is not in the list of processes.
const commands = ({ secret, servers }: Schemas['JoinTokenCreated']) =>
  `install -m 600 /dev/stdin /root/join-token <<'END'
${secret}
END
atoll agent --server ${servers.join(',')} --token-file /root/join-token --data /var/lib/atoll-agent`

const onLoopback = (url: string) => /^https:\/\/(localhost|127\.|\[::1\])/.test(url)

function Shown({ made, onClose }: { made: Schemas['JoinTokenCreated']; onClose: () => void }) {
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="join-title">
      <ModalHeader title={x.shown} labelId="join-title" />
      <ModalBody tabIndex={0} role="group" aria-labelledby="join-title">
        <Alert variant="warning" isInline isPlain title={x.shownAbout} />
        <Content component="h3">{x.secret}</Content>
        <CodeCopy text={made.secret} label={x.secret} />
        <Content component="h3">{x.command}</Content>
        <CodeCopy text={commands(made)} label={x.command} />
        {made.servers.every(onLoopback) && <Alert variant="warning" isInline isPlain title={x.onlyHere} />}
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{x.done}</Button>
      </ModalFooter>
    </Modal>
  )
}
