import { Timeline } from '@/frame/Timeline'
import { useMachine } from './machine'

/** TimelineTab is what happened to a machine. */
export const Component = () => <Timeline filter={`subject=${useMachine().id}`} />
