"""``lipmat adopt``: a torch network from the user's own file becomes a material file."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import pickle
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.table import Table
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from torch import Tensor, nn

import lipmat
from lipmat.cli.terminal import STYLE, domain_texts, quantity
from lipmat.errors import InputError, nearest
from lipmat.materials.adopted_bound import Progress
from lipmat.materials.adopted_domain import SIZES, AdoptedDomain
from lipmat.materials.adoption import Adoption, Request, adopt
from lipmat.materials.describe import bound_as_dict
from lipmat.materials.file import save
from lipmat.materials.law import Measure, Provenance
from lipmat.schema import read_bytes
from lipmat.units import to_si

if TYPE_CHECKING:
    from lipmat.cli.terminal import Terminal

COMPONENTS = ("mandel", "voigt")
OUTPUTS = ("energy", "stress")


def inputs() -> dict[str, Measure]:
    """Return the names of what a network can take, as the command line has them."""
    return {measure.replace("_", "-"): measure for measure in SIZES}


def request_of(
    measure: str, output: str, domain: str, components: str, unit: str, correct: bool
) -> Request:
    """Return how a network is to be understood, from the words of the command line.

    Raises:
        InputError: One of them is not admissible.
    """
    for option, value, known in (
        ("--input", measure, tuple(inputs())),
        ("--output", output, OUTPUTS),
        ("--components", components, COMPONENTS),
    ):
        if value not in known:
            raise InputError(f"{option}: found {value!r}, {nearest(value, known)}")
    try:
        numbers = [float(x) for x in domain.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1 and measure != "stretches":
        numbers = [-numbers[0], numbers[0]]
    if len(numbers) != 2:
        raise InputError(
            f"--domain: found {domain!r}, expected the smallest and the largest principal value, "
            "as '-0.02,0.05', or of strain one number for both"
        )
    try:
        found = AdoptedDomain(inputs()[measure], *numbers)
    except ValueError as error:
        raise InputError(f"--domain: {str(error).removeprefix('domain: ')}") from None
    scale = to_si(f"1 {unit}", "stress", "--unit")
    return Request(found, output, components, scale, correct)  # type: ignore[arg-type]


def network_of(place: str, weights: Path | None, arguments: str) -> tuple[nn.Module, Provenance]:
    """Import ``FILE:CLASS``, which runs the file, and build the class with its weights.

    Args:
        place: A Python file and the name of a class or function in it that gives an ``nn.Module``.
        weights: File of safetensors or of ``torch.save`` with the state dict; None: the network
            has no parameters.
        arguments: JSON object of keyword arguments.

    Raises:
        InputError: The file, the class, the arguments or the weights do not fit.
    """
    file, _, name = place.rpartition(":")
    if not file or not name:
        raise InputError(f"network: found {place!r}, expected FILE:CLASS as 'network.py:Network'")
    module = _imported(Path(file))
    made = getattr(module, name, None)
    if made is None:
        known = [
            n for n, v in vars(module).items() if inspect.isclass(v) and issubclass(v, nn.Module)
        ]
        raise InputError(f"{file}: found no {name!r}, {nearest(name, known)}")
    try:
        settings = json.loads(arguments)
    except json.JSONDecodeError as error:
        raise InputError(f"--arguments: no valid JSON: {error}") from None
    if not isinstance(settings, dict):
        raise InputError(f"--arguments: found {arguments!r}, expected an object as '{{\"n\": 16}}'")
    try:
        network = made(**settings)
    except Exception as error:  # the user's own code
        raise InputError(f"{place}: {type(error).__name__}: {error}") from None
    if not isinstance(network, nn.Module):
        raise InputError(f"{place}: found a {type(network).__name__}, expected a torch nn.Module")
    entries: dict[str, Any] = {"network": place, "arguments": settings}
    if weights is not None:
        _fill(network, weights)
        entries["weights"] = weights.name
        entries["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    elif any(True for _ in network.parameters()):
        raise InputError(f"--weights: missing, expected a file: {name} has parameters")
    versions = {"lipmat": lipmat.__version__, "torch": torch.__version__}
    return network, Provenance(entries | {"versions": versions})


def _imported(file: Path) -> Any:
    if not file.is_file():
        raise InputError(f"{file}: cannot be read: no such file")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise InputError(f"{file}: expected a Python file, *.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code
        raise InputError(f"{file}: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)
    return module


def _fill(network: nn.Module, weights: Path) -> None:
    """Load a state dict; tensors only, no pickled code is run."""
    state = _state(weights)
    for key in ("state_dict", "model_state_dict"):  # checkpoints hold it beside other things
        state = state.get(key, state) if isinstance(state, Mapping) else state
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{weights}: expected a state dict, arrays by name")
    expected = network.state_dict()
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or extra:
        found = f"no array {missing[0]!r}" if missing else f"an array {extra[0]!r}"
        raise InputError(
            f"{weights}: found {found}, expected those of the class: {', '.join(expected)}"
        )
    for key, value in state.items():
        if value.shape != expected[key].shape:
            raise InputError(
                f"{weights}: array {key!r}: found the shape {tuple(value.shape)}, "
                f"expected {tuple(expected[key].shape)}; do --arguments fit?"
            )
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{weights}: array {key!r}: found values that are not finite")
    network.to(torch.float64).load_state_dict({k: v.to(torch.float64) for k, v in state.items()})


def _state(weights: Path) -> Any:
    content = read_bytes(weights)
    if weights.suffix == ".safetensors":
        try:
            return from_bytes(content)
        except SafetensorError as error:
            raise InputError(f"{weights}: no safetensors: {error}") from None
    try:
        return torch.load(weights, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        raise InputError(
            f"{weights}: expected a file *.safetensors, or a state dict that torch.save wrote, of "
            "arrays alone; a whole pickled network is never loaded: save network.state_dict()"
        ) from None


def adopt_file(
    place: str,
    weights: Path | None,
    arguments: str,
    request: Request,
    density: float | None,
    seconds: float,
    file: Path,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Adopt a network and write its material file; return what was found as JSON values.

    Raises:
        InputError: See :func:`network_of` and :func:`lipmat.materials.adoption.adopt`.
    """
    if not seconds > 0.0:
        raise InputError(f"--seconds: found {seconds:g}, expected a time greater than 0")
    network, provenance = network_of(place, weights, arguments)
    entries = {**provenance.entries, "density": density, "output": request.output}
    entries |= {"components": request.components, "corrected": request.correct}
    known = Provenance({k: v for k, v in entries.items() if v is not None})
    adoption = adopt(network, request, seconds, known, progress)
    save(adoption.law, file)
    return summary(adoption, file)


def summary(adoption: Adoption, file: Path) -> dict[str, Any]:
    """Return what was found, as JSON values."""
    law = adoption.law
    bulk, shear = law.rest_moduli()
    bound = law.bound()
    sampled = bound.rungs[-1].sampled["network"]
    largest = 1.0 if law.domain.small else bound.value
    return {
        "file": str(file),
        "law": law.name,
        "measure": law.domain.measure,
        "domain": law.domain.in_stretches().as_dict(),
        "findings": [asdict(f) for f in adoption.findings],
        "convex": law.convex,
        "levels": ["linearised", "energy"] if law.domain.small else ["linearised"],
        "bulk_modulus": bulk,
        "shear_modulus": shear,
        "bound": bound_as_dict(bound),
        "largest_tangent": bound.value,
        "certified_over_sampled": largest / sampled,
        "boxes": adoption.boxes,
    }


def show(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Print what was found."""
    table = Table(title=f"adopted as a potential of {found['measure'].replace('_', ' ')}", **STYLE)
    for name in ("test", "verdict", ""):
        table.add_column(name)
    for finding in found["findings"]:
        table.add_row(finding["name"], finding["verdict"], finding["text"])
    terminal.console.print(table)
    bulk, shear = (quantity(found[f"{k}_modulus"], "Pa") for k in ("bulk", "shear"))
    stretch, volume = domain_texts(found["domain"])
    terminal.say(f"at rest bulk modulus {bulk}, shear modulus {shear}")
    terminal.say(
        f"[bold]tangent at most {quantity(found['largest_tangent'], 'Pa')}[/] for stretches of "
        f"{stretch} (volume ratio {volume}), certified: {found['certified_over_sampled']:.3f} of "
        f"what sampling finds, after {found['boxes']} boxes"
    )
    terminal.say(f"certificates that a mesh can have: {', '.join(found['levels'])}")
    terminal.files([Path(found["file"])])
