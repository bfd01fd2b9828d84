"""Records written on a version that was read: no version is given twice, and none that was given goes missing."""

from .ledger import WRONG, Ledger, need

SETTLED = (b"redis", b"warm")


class Versions(Ledger):
    """STATE.GET, then STATE.SET … VERSION; several writers of the same records."""

    workers = 2
    records = 3
    prefix = "v"
    ordinary = ("CONFLICT",)

    def __init__(self, *given, sidecars=1, **named):
        super().__init__(*given, **named)
        # With one sidecar provisional versions are unique as well.
        self.sidecars = sidecars
        # Key to version to what was acknowledged for it: value and where it was committed.
        self.given = {f"{self.prefix}:{i}": {} for i in range(self.records)}
        self.refused = set()
        self.count = [0] * self.workers

    def act(self, ask, worker, random):
        key = f"{self.prefix}:{random.randrange(self.records)}"
        read = ask("STATE.GET", key)
        if not read.done:
            return
        base = 0
        if read.value is not None:
            fields = dict(zip(read.value[::2], read.value[1::2]))
            base = fields[b"version"]
            self.recognise(key, fields[b"value"], base)
        self.count[worker] += 1
        value = f"{key}|{base}|{worker}|{self.count[worker]}".encode()
        condition = ("VERSION", base) if read.value is not None else ("ABSENT",)
        answer = ask("STATE.SET", key, value, *condition)
        with self.lock:
            if answer.refused:
                self.refused.add(value)
            if not answer.done:
                return
            fields = dict(zip(answer.value[::2], answer.value[1::2]))
            version, committed = fields[b"version"], fields[b"committed"]
            earlier = self.given[key].get(version)
            self.given[key][version] = (value, committed)
        # A version that the journal gave is provisional: while Redis has not answered an earlier write of the record, the
        # same may be given again by it, and the journal's becomes a conflict.
        alike = committed == earlier[1] if earlier else False
        if alike and not self.forgetful and (self.sidecars == 1 or committed == b"redis"):
            self.find(WRONG, f"{key}: version {version} was given to {earlier} and to {(value, committed)}")

    def recognise(self, key, value, version):
        parts = value.split(b"|")
        if len(parts) != 4 or parts[0] != key.encode() or not int(parts[1]) < version:
            self.find(WRONG, f"{key} is {value[:60]!r} at version {version}")
        elif value in self.refused:
            self.find(WRONG, f"{key} is {value!r}, which was refused")

    def judge(self, ask):
        for key, given in self.given.items():
            flat = need(ask("STATE.GET", key, "STRONG"), key)
            newest = max((v for v, (_, where) in given.items() if where in SETTLED or self.sidecars == 1), default=0)
            if flat is None:
                if newest:
                    self.miss(f"{key} is not there, and version {newest} was acknowledged")
                continue
            fields = dict(zip(flat[::2], flat[1::2]))
            version, value = fields[b"version"], fields[b"value"]
            self.recognise(key, value, version)
            if version < newest:
                self.miss(f"{key} has version {version}, and {newest} was acknowledged")
            elif version in given and given[version][0] != value and given[version][1] in SETTLED:
                self.miss(f"{key} has {value!r} at version {version}, which was given to {given[version][0]!r}")
