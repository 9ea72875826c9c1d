import { PortForwards } from '@/pages/portforwards/PortForwards'
import { useMachine } from './machine'

/** PortForwardsTab lists the ways from outside to a machine. */
export const Component = () => <PortForwards machine={useMachine()} />
