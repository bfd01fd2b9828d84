"""What k8s/ renders to, against Kubernetes' own schemas and against itself: `.ci/scripts/k8s` runs it.

`kubectl kustomize` renders, kubernetes-validate judges by the schemas that it ships, and `hearth check` and `hearth
config` read the configuration that is in the rendered ConfigMap. PodMonitor and PrometheusRule are not Kubernetes' own:
of them it is only seen that they have no other fields than those that are listed here.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEARTH, KUBECTL = sys.argv[1:3]
# The first with native sidecars, and the newest that the validator has.
VERSIONS = ("1.29", "1.37")
TARGETS = {
    "k8s/base": "an overlay adds Redis",
    "k8s/overlays/development": "",
    "k8s/overlays/production": "the Secret is the operator's",
    "k8s/examples/existing-deployment": "the Secret is the operator's",
    "k8s/monitoring": "",
}
OPERATOR_FIELDS = {
    "PodMonitor": {"namespaceSelector", "selector", "podMetricsEndpoints"},
    "PrometheusRule": {"groups"},
}
ENDPOINT_FIELDS = {"port", "path", "interval", "scrapeTimeout"}
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

failures = []


def expect(holds, text):
    if not holds:
        failures.append(text)


def size(text):
    number, unit = re.fullmatch(r"(\d+)\s*(\w*)", str(text)).groups()
    return int(number) * UNITS[unit]


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


def render(target):
    done = subprocess.run([KUBECTL, "kustomize", str(ROOT / target)], capture_output=True, text=True, check=False)
    # Warnings too: what is deprecated is going to be refused.
    if done.returncode or done.stderr.strip():
        sys.exit(f"{target} does not render cleanly:\n{done.stderr}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def validate(target, document):
    kind = document["kind"]
    name = f"{target}: {kind} {document['metadata']['name']}"
    if kind in OPERATOR_FIELDS:
        expect(document["apiVersion"] == "monitoring.coreos.com/v1", f"{name} is of another version")
        expect(set(document["spec"]) <= OPERATOR_FIELDS[kind], f"{name} has unknown fields: {set(document['spec'])}")
        for endpoint in document["spec"].get("podMetricsEndpoints", []):
            expect(set(endpoint) <= ENDPOINT_FIELDS, f"{name} has unknown fields: {set(endpoint)}")
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            failures.append(f"{name} is no {kind} of Kubernetes {version}: {error.message} at {list(error.path)}")


def effective(target, text):
    """The configuration in a ConfigMap, as the process that is given it would run."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        checked = subprocess.run([HEARTH, "check", file.name], capture_output=True, text=True, check=False)
        expect(checked.returncode == 0, f"{target}: {checked.stderr}")
        expect("warning" not in checked.stdout + checked.stderr, f"{target}: {checked.stdout}{checked.stderr}")
        printed = subprocess.run([HEARTH, "config", "--config", file.name], capture_output=True, text=True, check=True)
        return yaml.safe_load(printed.stdout)


def matches(selector, labels):
    return selector.items() <= labels.items()


def look_at_pod(target, workload, documents):
    """A workload that asks for the sidecar has it whole, and everything that it names is there."""
    name = f"{target}: {workload['kind']} {workload['metadata']['name']}"
    template = workload["spec"]["template"]
    pod = template["spec"]
    first = pod["initContainers"][0]
    expect(first["name"] == "hearth", f"{name}: the sidecar is not the first to start, but {first['name']}")
    expect(first.get("restartPolicy") == "Always", f"{name}: an init container that is no sidecar")
    expect(first["startupProbe"]["httpGet"]["path"] == "/readyz", f"{name}: nothing gates the application")
    expect(first["livenessProbe"]["httpGet"]["path"] == "/livez", f"{name}: its liveness depends on more than itself")
    expect(matches(workload["spec"]["selector"]["matchLabels"], template["metadata"]["labels"]), f"{name}: its selector")
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    claims = {c["metadata"]["name"]: c for c in workload["spec"].get("volumeClaimTemplates", [])}
    expect(not claims.keys() & volumes.keys(), f"{name}: a claim and a volume of one name")
    for container in pod["initContainers"] + pod["containers"]:
        for mount in container.get("volumeMounts", []):
            expect(mount["name"] in volumes.keys() | claims.keys(), f"{name}: no volume {mount['name']}")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            port = container.get(probe, {}).get("httpGet", {}).get("port")
            ports = [p["name"] for p in container.get("ports", [])]
            expect(port is None or port in ports, f"{name}: {probe} of {container['name']} asks no port {port}")
    expect(pod["securityContext"]["fsGroup"] > 0, f"{name}: no group that lets the application in")
    for container in [first] + (pod["containers"] if "existing" not in target else []):
        secured = container["securityContext"]
        expect(secured["runAsNonRoot"] and secured["readOnlyRootFilesystem"], f"{name}: {container['name']} is not hardened")
        expect(not secured["allowPrivilegeEscalation"], f"{name}: {container['name']} may gain privileges")
        expect(secured["capabilities"] == {"drop": ["ALL"]}, f"{name}: {container['name']} keeps capabilities")
        expect("memory" in container["resources"]["limits"], f"{name}: {container['name']} has no limit of memory")
    application = pod["containers"][0]
    socket = [m["mountPath"] for m in application["volumeMounts"] if m["name"] == "hearth-run"]
    maps = {d["metadata"]["name"]: d for d in documents if d["kind"] == "ConfigMap"}
    for volume in volumes.values():
        named = volume.get("configMap", {}).get("name")
        expect(named is None or named in maps, f"{name}: no ConfigMap {named} is rendered")
    sources = volumes["hearth-config"]["projected"]["sources"]
    named = sources[0]["configMap"]["name"]
    expect(named in maps, f"{name}: no ConfigMap {named} is rendered")
    text = maps[named]["data"]["hearth.yaml"]
    look_at_configuration(name, pod, first, socket, volumes, claims, text, effective(target, text))


def look_at_configuration(name, pod, sidecar, socket, volumes, claims, text, configuration):
    """The ConfigMap and the pod agree: paths, the port, and room for what the configuration allows."""
    mounts = {m["name"]: m["mountPath"] for m in sidecar["volumeMounts"]}
    expect(configuration["socket"]["path"].startswith(mounts["hearth-run"] + "/"), f"{name}: the socket's directory")
    expect(socket == [mounts["hearth-run"]], f"{name}: the application does not mount the socket where it is")
    for part in ("warm", "journal"):
        expect(configuration[part]["path"].startswith(mounts["hearth-data"] + "/"), f"{name}: the {part} directory")
    port = configuration["admin"]["listen"].rpartition(":")[2]
    expect([str(p["containerPort"]) for p in sidecar["ports"]] == [port], f"{name}: the admin port")
    password = configuration["redis"]["password_file"]
    expect(password == mounts["hearth-config"] + "/redis-password", f"{name}: the password is elsewhere")
    # A chart may leave it out, where Kubernetes' 30 s are.
    grace = pod.get("terminationGracePeriodSeconds", 30)
    expect(grace >= seconds(configuration["drain"]) + 20, f"{name}: no time to drain after the application")

    journals = any(policy.get("on_outage") == "journal" for policy in configuration["policies"])
    journal = size(configuration["journal"]["max_bytes"]) if journals else 0
    warm = size(configuration["warm"]["max_bytes"])
    memory = size(sidecar["resources"]["limits"]["memory"])
    needed = 1.15 * size(configuration["local"]["max_bytes"]) + (24 << 20) + journal
    # The index of a million entries besides.
    expect(memory >= needed + (32 << 20), f"{name}: {memory} bytes of memory, and {needed:.0f} and an index may be used")
    expect(memory <= 2.5 * needed, f"{name}: {memory} bytes of memory for {needed:.0f}")
    if "hearth-data" in claims:
        room = size(claims["hearth-data"]["spec"]["resources"]["requests"]["storage"])
    else:
        room = size(volumes["hearth-data"]["emptyDir"]["sizeLimit"])
        comment = " ".join(line.strip().lstrip("# ") for line in text.splitlines() if line.strip().startswith("#"))
        expect("emptyDir" in comment and "ends with its pod" in comment, f"{name}: does not say what its emptyDir means")
    expect(room >= 1.25 * (warm + journal), f"{name}: {room} bytes of disk for a warm tier and a journal of {warm + journal}")


def look_at(target, documents):
    pods = {}
    for document in documents:
        validate(target, document)
        if document["kind"] in WORKLOADS:
            pods[document["metadata"]["name"]] = document["spec"]["template"]["metadata"]["labels"]
            if document["metadata"].get("labels", {}).get("hearth") == "sidecar":
                look_at_pod(target, document, documents)
    for document in documents:
        spec = document.get("spec", {})
        selector = {"Service": spec.get("selector"), "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels"),
                    "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels")}.get(document["kind"])
        if selector:
            found = any(matches(selector, labels) for labels in pods.values())
            expect(found, f"{target}: {document['kind']} {document['metadata']['name']} selects no pod")


def readme(targets):
    """Whatever k8s/README.md tells to render or apply is rendered here, and every file that it names is there."""
    text = (ROOT / "k8s/README.md").read_text()
    for path in re.findall(r"(?:-k|kustomize) (k8s/[\w/.-]+)", text):
        expect(path.rstrip("/") in targets, f"k8s/README.md applies {path}, which is not tested")
    for path in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in path:
            expect((ROOT / "k8s" / path).exists(), f"k8s/README.md links to {path}, which is not there")


def somebody_elses():
    """A workload that is not named as the example's, by the steps of k8s/README.md: its documents."""
    example = ROOT / "k8s/examples/existing-deployment"
    group = re.search(r"^    (- target: .*)\n      (patch: '.*fsGroup.*')$", (ROOT / "k8s/README.md").read_text(), re.M)
    with tempfile.TemporaryDirectory() as directory:
        # kubectl takes a path by its real name.
        copy = pathlib.Path(directory).resolve() / "web"
        shutil.copytree(example, copy)
        theirs = yaml.safe_load((copy / "deployment.yaml").read_text())
        theirs["kind"] = "StatefulSet"
        theirs["metadata"] |= {"name": "web", "namespace": "shop"}
        pod = theirs["spec"]["template"]["spec"]
        pod["securityContext"] = {"fsGroup": 1000}
        pod["containers"] = [{"name": "proxy", "image": "proxy:1"}, {"name": "web", "image": "web:1"}]
        theirs["spec"]["serviceName"] = "web"
        (copy / "deployment.yaml").write_text(yaml.safe_dump(theirs))
        wanted = (copy / "kustomization.yaml").read_text()
        component = os.path.relpath(ROOT / "k8s/components/sidecar", copy)
        for old, new in {"../../components/sidecar": component, "- name: agent": "- name: web",
                         "# namespace: shop": "namespace: shop"}.items():
            expect(wanted.count(old) == 1, f"{example}: there is not one '{old}' to replace")
            wanted = wanted.replace(old, new)
        (copy / "kustomization.yaml").write_text(f"{wanted}  {group[1]}\n    {group[2]}\n")
        return render(copy)


rendered = {target: render(target) for target in TARGETS}
rendered["their own, by the steps for an existing Deployment"] = their_own = somebody_elses()
for target, documents in rendered.items():
    look_at(target, documents)
readme(TARGETS)
# What the sidecar's patch may not do to somebody else's pod.
theirs = next(d for d in rendered["k8s/examples/existing-deployment"] if d["kind"] == "Deployment")
pod = theirs["spec"]["template"]["spec"]
expect([c["name"] for c in pod["initContainers"]] == ["hearth", "migrate"], "their init container is gone, or goes first")
expect("scratch" in [v["name"] for v in pod["volumes"]], "their volume is gone")
expect("terminationGracePeriodSeconds" not in pod, "their grace period was changed")
pod = next(d for d in their_own if d["kind"] == "StatefulSet")["spec"]["template"]["spec"]
expect({c["name"]: c["image"] for c in pod["containers"]} == {"proxy": "proxy:1", "web": "web:1"}, "their containers")
expect(pod["securityContext"]["fsGroup"] == 1000, "their group was changed")
monitored = next(d for d in rendered["k8s/monitoring"] if d["kind"] == "PodMonitor")["spec"]
expect(matches(monitored["selector"]["matchLabels"], theirs["spec"]["template"]["metadata"]["labels"]), "nobody is scraped")
for failure in failures:
    print(f"FAILED: {failure}", file=sys.stderr)
count = sum(map(len, rendered.values()))
print(f"{count} manifests of {len(rendered)} renderings, against the schemas of Kubernetes {' and '.join(VERSIONS)}")
sys.exit(1 if failures else 0)
