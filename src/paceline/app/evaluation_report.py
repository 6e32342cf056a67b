"""An evaluation as the JSON of the contract, and as one page for people."""

from html import escape

from paceline.app.evaluate import EvalRequest, Evaluation, Repeat
from paceline.records.fidelity import Fidelity
from paceline.records.load import Target
from paceline.records.measurement import Interval
from paceline.records.quality import QualityResult

Json = dict[str, object]

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;text-align:left;"
    "border-bottom:1px solid #8884;vertical-align:top}pre{white-space:pre-wrap;margin:0}"
    "td,th{overflow-wrap:break-word}.wide{overflow-x:auto}"
    ".lost td{background:#d332}.gained td{background:#3a32}"
)


def evaluation_document(request: EvalRequest, found: Evaluation) -> Json:
    """Everything that was found, answers included; never the key."""
    suite = found.suite
    document: Json = {
        "endpoint": _endpoint(request.target),
        "suite": {
            "name": suite.name,
            "version": suite.version,
            "sha256": suite.sha256,
            "items": len(suite.items),
        },
        "seed": request.seed,
        "concurrency": request.concurrency,
        **_result(found.result),
        "items": [
            {
                "id": item.item_id,
                "category": item.category,
                "score": item.score,
                "answer": item.answer,
                "earlier": list(item.earlier),
                "error": item.error,
            }
            for item in found.result.items
        ],
        "under_load": _repeat(found.under_load),
        "against": None,
    }
    if request.against is not None and found.baseline is not None:
        document["against"] = {
            "endpoint": _endpoint(request.against),
            **_result(found.baseline),
            "comparison": _comparison(found),
            "verdict": _verdict(found),
            "noise_floor": _repeat(found.noise),
            "fidelity": _fidelity(found),
        }
    return document


def evaluation_page(request: EvalRequest, found: Evaluation) -> str:
    """One HTML file without scripts or outside resources; every text from outside is escaped."""
    result = found.result
    lost = set(found.comparison.lost) if found.comparison else set()
    gained = set(found.comparison.gained) if found.comparison else set()
    asked = {item.item_id: item.messages[-1].content or "" for item in found.suite.items}
    rows = []
    for item in result.items:
        kind = "lost" if item.item_id in lost else "gained" if item.item_id in gained else ""
        question = asked.get(item.item_id, "")
        cells = (
            item.item_id,
            item.category,
            f"{item.score:g}",
            question,
            item.error or item.answer,
        )
        rows.append(f"<tr class='{kind}'>{''.join(_cell(text) for text in cells)}</tr>")
    categories = "".join(
        f"<tr>{_cell(name)}{_cell(f'{share:.2f}')}{_cell(f'{result.by_category[name]:.3f}')}</tr>"
        for name, share in result.weights.items()
    )
    verdict = (
        f"<p>{found.verdict.verdict.value}: difference {found.verdict.difference:+.3f} "
        f"{_bounds(found.verdict.difference_ci95)}, margin {found.verdict.margin:g}</p>"
        if found.verdict
        else ""
    )
    title = escape(f"{request.target.model} on {found.suite.name} {found.suite.version}")
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title>"
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        f"<p>score {result.score:.3f} {_bounds(result.ci95)}, {len(result.items)} items, "
        f"{result.errors} without an answer</p>{verdict}"
        f"{_side_readings(found)}"
        f"<table><tr><th>category<th>weight<th>score</tr>{categories}</table>"
        "<h2>Items</h2><div class='wide'>"
        f"<table><tr><th>id<th>category<th>score<th>last question<th>answer</tr>"
        f"{''.join(rows)}</table></div></html>\n"
    )


def _side_readings(found: Evaluation) -> str:
    """Flips with their lists, noise, load and fidelity, a paragraph each."""
    lines = []
    if found.comparison:
        for kind, items in (("lost", found.comparison.lost), ("gained", found.comparison.gained)):
            lines.append(f"{kind} {len(items)}: {', '.join(items)}" if items else f"{kind} none")
        lines.append(f"McNemar p = {found.comparison.p_value:.2g}")
    for what, repeat in (("baseline asked twice", found.noise), ("under load", found.under_load)):
        if repeat:
            lines.append(
                f"{what}: {repeat.flips} of {repeat.items} items flip with {repeat.concurrency} "
                f"in flight ({repeat.difference:+.3f})"
            )
    if found.fidelity:
        lines.append(fidelity_sentence(found.fidelity))
    if found.fidelity_because:
        lines.append(f"no fidelity: {found.fidelity_because}")
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def fidelity_sentence(close: Fidelity) -> str:
    """All its figures in one line."""
    noise = (
        f"; the baseline to itself {close.noise_kl_nats:.4f}, p = {close.p_value:.2g}"
        if close.noise_kl_nats is not None and close.p_value is not None
        else ""
    )
    return (
        f"fidelity ({close.reading.value}, {close.positions} positions of {close.texts} texts): "
        f"mean KL {close.mean_kl_nats:.4f} nats, top-1 agreement {close.top1_agreement:.3f}, "
        f"perplexity × {close.perplexity_ratio:.4f} (coverage {close.coverage:.2f}){noise}"
    )


def _endpoint(target: Target) -> Json:
    return {"url": target.base_url, "model": target.model, "route": target.route.value}


def _result(result: QualityResult) -> Json:
    stopped = result.stopped
    return {
        "score": result.score,
        "ci95": _interval(result.ci95),
        "by_category": dict(result.by_category),
        "weights": dict(result.weights),
        "asked": len(result.items),
        "errors": result.errors,
        "stopped": {"cause": stopped.cause.value, "because": stopped.because} if stopped else None,
    }


def _comparison(found: Evaluation) -> Json | None:
    compared = found.comparison
    if compared is None:
        return None
    return {
        "ratio": compared.ratio,
        "ratio_ci95": _interval(compared.ratio_ci95),
        "difference": compared.difference,
        "difference_ci95": _interval(compared.difference_ci95),
        "p_value": compared.p_value,
        "lost": list(compared.lost),
        "gained": list(compared.gained),
    }


def _verdict(found: Evaluation) -> Json | None:
    verdict = found.verdict
    if verdict is None:
        return None
    return {
        "verdict": verdict.verdict.value,
        "margin": verdict.margin,
        "difference": verdict.difference,
        "difference_ci95": _interval(verdict.difference_ci95),
        "different": verdict.different,
        "items": verdict.items,
    }


def _repeat(repeat: Repeat | None) -> Json | None:
    if repeat is None:
        return None
    return {
        "concurrency": repeat.concurrency,
        "flips": repeat.flips,
        "items": repeat.items,
        "difference": repeat.difference,
    }


def _fidelity(found: Evaluation) -> Json | None:
    fidelity = found.fidelity
    if fidelity is None:
        return {"unavailable": found.fidelity_because} if found.fidelity_because else None
    return {
        "reading": fidelity.reading.value,
        "positions": fidelity.positions,
        "mean_kl_nats": fidelity.mean_kl_nats,
        "mean_kl_ci95": _interval(fidelity.mean_kl_ci95),
        "top1_agreement": fidelity.top1_agreement,
        "top1_ci95": _interval(fidelity.top1_ci95),
        "perplexity_ratio": fidelity.perplexity_ratio,
        "coverage": fidelity.coverage,
        "texts": fidelity.texts,
        "noise_kl_nats": fidelity.noise_kl_nats,
        "p_value": fidelity.p_value,
    }


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.lo, interval.hi]


def _bounds(interval: Interval | None) -> str:
    return "" if interval is None else f"[{interval.lo:.3f}, {interval.hi:.3f}]"


def _cell(text: str) -> str:
    return f"<td><pre>{escape(text)}</pre></td>"
