import type { Schemas } from '@/api/client'
import { SelectField, TextField } from '@/form/fields'
import { t } from '@/text'
import { roleOptions } from './user'

const x = t.users

export type Values = { name: string; full_name: string; email: string; role: Schemas['UserCreate']['role'] & string }

/** UserFields are the fields of a user; only admins of the installation give roles in it. */
export function UserFields({ role }: { role: boolean }) {
  return (
    <>
      <TextField<Values> name="name" label={x.name} help={x.nameHelp} required placeholder="ada" />
      <TextField<Values> name="full_name" label={x.fullName} />
      <TextField<Values> name="email" label={x.email} type="email" />
      {role && <SelectField<Values> name="role" label={x.role} options={roleOptions} />}
    </>
  )
}
