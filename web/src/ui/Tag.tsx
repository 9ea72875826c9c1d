import { css } from '@patternfly/react-styles'
import styles from '@patternfly/react-styles/css/components/Label/label'
import type { ReactNode } from 'react'

type Props = {
  color?: 'blue' | 'teal' | 'success' | 'danger'
  icon?: ReactNode
  title?: string
  /** an address that opens in a tab of its own, and what a screen reader says of it */
  href?: string
  label?: string
  children: ReactNode
}

/**
 * Tag is a word or two in a frame. It looks like PatternFly's Label, which measures itself and listens to the
 * whole page's keys and clicks: a few in each row of a list are too many of those.
 */
export function Tag({ color, icon, title, href, label, children }: Props) {
  const content = (
    <>
      {icon && <span className={styles.labelIcon}>{icon}</span>}
      <span className={styles.labelText}>{children}</span>
    </>
  )
  const { filled, compact, clickable } = styles.modifiers
  return (
    <span
      className={css(styles.label, filled, compact, color && styles.modifiers[color], href && clickable)}
      title={title || undefined}
    >
      {href ? (
        <a
          className={css(styles.labelContent, clickable)}
          href={href}
          target="_blank"
          rel="noopener noreferrer"
          aria-label={label}
        >
          {content}
        </a>
      ) : (
        <span className={styles.labelContent}>{content}</span>
      )}
    </span>
  )
}
