// Tests with a real hearth, a real redis-server and real clients; one at a time, since many of them measure time.

import Testing

/// The suite of all of them.
@Suite(.serialized) enum RealProcesses {}
