"""Something that takes seconds, beside a window that stays alive: a dialog with a bar while a thread works.

Samples are opened by napari in one call that has to return layers, so the call waits here in an event loop of its own.
Without a window (a script, a test) the work is simply done.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

T = TypeVar("T")
#: Called by the work with (part that is done in 0..1 or None where unknown, text); False means: stop.
Tell = Callable[[float | None, str], bool]

_STEPS = 1000


def has_window() -> bool:
    """Whether a Qt application runs that can show a dialog. Imports no Qt where nobody has."""
    if "qtpy" not in sys.modules:
        return False
    from qtpy.QtWidgets import QApplication

    return QApplication.instance() is not None


def parent_window() -> QWidget | None:
    """The window that dialogs belong to."""
    from qtpy.QtWidgets import QApplication

    return QApplication.activeWindow()


def wait_for(title: str, text: str, work: Callable[[Tell], T], *, can_stop: bool = False) -> T:
    """Do `work` in a thread and show a dialog until it is done; its result or its exception.

    Parameters
    ----------
    title, text
        Of the dialog.
    work
        Called in the thread with a function that takes (part done, text), and says False when the user wants to stop.
    can_stop
        Whether there is a Cancel button.
    """
    if not has_window():
        return work(lambda part, words: True)
    from qtpy.QtCore import QEventLoop, QObject, Qt, Signal
    from qtpy.QtWidgets import QProgressDialog

    class Line(QObject):
        told = Signal(object, str)
        ended = Signal()

    line = Line()
    dialog = QProgressDialog(text, "Cancel" if can_stop else "", 0, 0, parent_window())
    if not can_stop:
        dialog.setCancelButton(None)
    dialog.setObjectName("napari-sam2-waiting")
    dialog.setWindowTitle(title)
    dialog.setWindowModality(Qt.WindowModality.ApplicationModal)
    dialog.setMinimumDuration(0)
    dialog.setAutoReset(False)
    dialog.setAutoClose(False)
    stop = threading.Event()
    dialog.canceled.connect(stop.set)
    outcome: dict[str, Any] = {}

    def tell(part: float | None, words: str) -> bool:
        line.told.emit(part, words)
        return not stop.is_set()

    def show(part: float | None, words: str) -> None:
        if stop.is_set():
            return
        if words:
            dialog.setLabelText(words)
        dialog.setMaximum(0 if part is None else _STEPS)
        if part is not None:
            dialog.setValue(round(part * _STEPS))

    def run() -> None:
        try:
            outcome["value"] = work(tell)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            outcome["error"] = error
        finally:
            line.ended.emit()

    loop = QEventLoop()
    queued = Qt.ConnectionType.QueuedConnection
    line.told.connect(show, queued)
    line.ended.connect(loop.quit, queued)
    thread = threading.Thread(target=run, name="napari-sam2-waiting", daemon=True)
    dialog.show()
    thread.start()
    loop.exec()
    thread.join()
    dialog.canceled.disconnect(stop.set)  # close() would count as a cancel
    dialog.close()
    dialog.deleteLater()
    if "error" in outcome:
        raise outcome["error"]
    value: T = outcome["value"]
    return value
