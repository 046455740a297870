"""``dxstream run``: a program written for the tastytrade SDK, streaming by dxstream."""

import argparse
import ast
import asyncio
import collections
import datetime
import gc
import inspect
import os
import signal
import symtable
import sys
import threading
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import dxstream
from dxstream import dxfeed
from dxstream.exchange import Accounts, Exchange, Market
from dxstream.session import Session

__all__ = ["run"]

_ENDING_SECONDS = 5.0
_FAILED = 1


def run(arguments: argparse.Namespace) -> int:
    """Run a script as ``__main__``; ``await`` may stand at its top level, as in a notebook.

    Returns
    -------
    int
        The exit code: 0 at the script's end and when it was stopped, 1 after an exception, which is
        printed.
    """
    path = Path(arguments.script)
    source = path.read_bytes()
    try:
        tree = ast.parse(source, str(path))
        code = compile(source, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        wanted = _unassigned(source.decode(), str(path))
    except (SyntaxError, ValueError):
        _print_error(str(path))
        return _FAILED
    sys.argv = [str(path), *arguments.arguments]
    sys.path.insert(0, str(path.parent.resolve()))
    # The document's programs compare last prices and volumes as soon as quotes come.
    dxstream.install(companions="subscribe")
    main = ModuleType("__main__")
    main.__file__ = str(path)
    sys.modules["__main__"] = main
    with ExitStack() as opened:
        vars(main).update(_scope(arguments, wanted, opened))
        try:
            if code.co_flags & inspect.CO_COROUTINE or _begins_tasks(tree):
                failed = asyncio.run(_run_cell(code, vars(main), arguments.seconds))
                return _FAILED if failed else 0
            _run_script(code, vars(main), arguments.seconds)
        except KeyboardInterrupt:
            return 0
        except SystemExit:
            raise
        except BaseException:
            _print_error(str(path))
            return _FAILED
    return 0


def _begins_tasks(tree: ast.Module) -> bool:
    """Tell whether a script begins tasks at its top level, which only an event loop lets it do."""
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            if called in ("create_task", "ensure_future"):
                return True
        nodes.extend(ast.iter_child_nodes(node))
    return False


def _unassigned(source: str, path: str) -> set[str]:
    """Find the global names that a script uses and does not make."""
    used: set[str] = set()
    top = symtable.symtable(source, path, "exec")
    made = {of.get_name() for of in top.get_symbols() if of.is_assigned() or of.is_imported()}
    tables = [top]
    while tables:
        table = tables.pop()
        tables.extend(table.get_children())
        used.update(
            of.get_name()
            for of in table.get_symbols()
            if of.is_global() or (table is top and of.is_referenced())
        )
    return used - made


def _scope(arguments: argparse.Namespace, wanted: set[str], opened: ExitStack) -> dict[str, Any]:
    """Make the names that a script finds without having imported them, as in a notebook."""
    from tastytrade import AlertStreamer, DXLinkStreamer
    from tastytrade import dxfeed as events

    scope: dict[str, Any] = {
        "AlertStreamer": AlertStreamer,
        "DXLinkStreamer": DXLinkStreamer,
        "asyncio": asyncio,
        "datetime": datetime.datetime,
        "defaultdict": collections.defaultdict,
        "time": time,
    }
    for name in dxfeed.__all__:
        scope[name] = getattr(events, name, getattr(dxfeed, name))
    scope["AccountUpdate"] = dxfeed.AccountUpdate
    if wanted & {"session", "account"}:
        scope["session"] = session = _session(arguments, opened)
        if "account" in wanted:
            scope["account"] = session.accounts().result()[0]
    return scope


def _session(arguments: argparse.Namespace, opened: ExitStack) -> Session:
    if arguments.simulated:
        exchange = opened.enter_context(Exchange(Market(), accounts=Accounts()))
        return Session("any", "any", base_url=exchange.api_url, account_url=exchange.account_url)
    return Session(
        is_test=arguments.sandbox, base_url=arguments.base_url, account_url=arguments.account_url
    )


async def _run_cell(code: CodeType, scope: dict[str, Any], seconds: float | None) -> int:
    """Run code that awaits at its top level, and the tasks that it leaves behind.

    Returns
    -------
    int
        How many tasks failed without anybody looking at it; asyncio has logged each.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if seconds is not None:
        loop.call_later(seconds, stopped.set)
    unseen: list[object] = []

    def handle(of: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        unseen.append(context)
        of.default_exception_handler(context)

    loop.set_exception_handler(handle)
    around = {asyncio.current_task(), waiting := asyncio.create_task(stopped.wait())}
    cell = asyncio.ensure_future(_awaited(code, scope))
    await asyncio.wait({cell, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if cell.done():
        cell.result()
    # As in a notebook, what was begun in the background goes on when the cell is over.
    while not stopped.is_set() and (left := asyncio.all_tasks() - around):
        await asyncio.wait({*left, waiting}, return_when=asyncio.FIRST_COMPLETED)
    left = asyncio.all_tasks() - around
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=_ENDING_SECONDS)
    if not cell.cancelled():
        cell.result()
    del cell, left
    # A task tells that it failed unseen when nothing refers to it any more.
    for name in [name for name, value in scope.items() if isinstance(value, asyncio.Task)]:
        del scope[name]
    gc.collect()
    await asyncio.sleep(0)
    return len(unseen)


async def _awaited(code: CodeType, scope: dict[str, Any]) -> None:
    awaitable = eval(code, scope)
    if awaitable is not None:
        await awaitable


def _run_script(code: CodeType, scope: dict[str, Any], seconds: float | None) -> None:
    timer = None
    if seconds is not None:
        # What Ctrl-C does; a script of the SDK's users ends by it.
        process = os.getpid()
        timer = threading.Timer(seconds, os.kill, (process, signal.SIGINT))
        timer.daemon = True
        timer.start()
    try:
        exec(code, scope)
    finally:
        if timer is not None:
            timer.cancel()


def _print_error(script: str) -> None:
    """Print the exception as Python would, without the frames of this file."""
    error = sys.exc_info()[1]
    assert error is not None
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != script:
        trace = trace.tb_next
    shown = error.with_traceback(trace) if trace is not None else error
    traceback.print_exception(shown)
