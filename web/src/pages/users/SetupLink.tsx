import { Alert, Button, Content, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import type { Schemas } from '@/api/client'
import { at } from '@/format'
import { t } from '@/text'
import { CodeCopy } from '@/ui/CodeCopy'

const x = t.users

type Props = { name: string; link: Schemas['SetupLink']; onClose: () => void }

/** SetupLink shows once the link with which a user sets the password. */
export function SetupLink({ name, link, onClose }: Props) {
  // The address that people use: the controller may know another one of itself.
  const url = `${location.origin}/setup#${link.setup_secret}`
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="setup-title">
      <ModalHeader title={x.linkTitle(name)} labelId="setup-title" />
      <ModalBody>
        <Alert variant="warning" isInline isPlain title={x.linkAbout} />
        <CodeCopy text={url} label={x.link} />
        {link.setup_expires && (
          <Content component="p" className="atoll-small">
            {x.linkUntil} {at(link.setup_expires)}.
          </Content>
        )}
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{x.done}</Button>
      </ModalFooter>
    </Modal>
  )
}
