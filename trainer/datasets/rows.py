"""Rows of text from a CSV file or an Excel sheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from emostream.engines.errors import DataError

__all__ = ["csv_rows", "xlsx_rows"]


def csv_rows(path: Path) -> list[tuple[str, ...]]:
    """The rows of a CSV file whose cells are parted by commas, semicolons or tabs, as its first line tells.

    Args:
        path: the file, UTF-8 or, as old Excels write it, Windows-1254.

    Returns:
        One tuple for each row, empty rows too, cells without spaces around them.

    Raises:
        DataError: the file can't be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror}; check the file") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1254", errors="replace")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [tuple(cell.strip() for cell in row) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file: {error}; save it as CSV again") from error


def xlsx_rows(path: Path) -> list[tuple[str, ...]]:
    """The rows of the first sheet of an Excel file.

    Returns:
        One tuple for each row, all of one length; whole numbers without a decimal point.

    Raises:
        DataError: the file can't be read.
    """
    from openpyxl import load_workbook  # only some data sets have Excel sheets

    try:
        sheet = load_workbook(path, data_only=True).worksheets[0]
    except Exception as error:  # openpyxl lets through whatever a broken archive or XML raises
        raise DataError(f"can't read {path}: {error or type(error).__name__}; save it as .xlsx again") from error
    return [tuple(map(_text, row)) for row in sheet.iter_rows(values_only=True)]


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()
