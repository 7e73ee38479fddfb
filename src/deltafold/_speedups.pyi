from collections.abc import Callable
from typing import Any

def read_plain_object(text: str, depth: int, distinct: bool, /) -> dict[str, Any] | None: ...
def match_block(
    latin1: str,
    position: int,
    patterns: tuple[tuple[str, tuple[tuple[str, tuple[tuple[int, str], ...]], ...]], ...],
    number: int,
    /,
) -> tuple[int, int, str, str] | None: ...

class Maker:
    def __new__(
        cls,
        kind: type,
        names: tuple[str, ...],
        defaults: tuple[tuple[Any, ...], ...],
        by_position: int,
        check: Callable[[Any], object] | None,
        /,
    ) -> Maker: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
