"""Edits of a saved index by someone who makes every digest anew."""

import hashlib
import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def data_file(folder, stem):
    return next(Path(folder).glob(f"{stem}-*"))


def read_table(folder, stem):
    return pq.read_table(data_file(folder, stem))


def table_bytes(table, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def copy_index(source, folder):
    shutil.copytree(source, folder)
    return folder


def replace_data(folder, stem, content):
    """Puts other bytes in the place of a data file, under their own hash."""
    old = data_file(folder, stem)
    sha256 = hashlib.sha256(content).hexdigest()
    new = old.with_name(f"{stem}-{sha256[:12]}{old.suffix}")
    old.unlink()
    new.write_bytes(content)
    entry = {"name": new.name, "sha256": sha256, "size": len(content)}
    edit_config(folder, lambda config: config["files"].update({stem: entry}))


def edit_config(folder, edit):
    """Changes config.json in place, and its digest with it."""
    path = Path(folder) / "config.json"
    config = json.loads(path.read_text())
    edit(config)
    path.write_text(signed(config))


def signed(config):
    body = {key: value for key, value in config.items() if key != "digest"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()
    return json.dumps({**body, "digest": digest})


def edit_table(folder, stem, edit):
    replace_data(folder, stem, table_bytes(edit(read_table(folder, stem))))


def edit_bytes(folder, stem, edit):
    replace_data(folder, stem, edit(data_file(folder, stem).read_bytes()))


def edit_json(folder, stem, edit):
    tables = json.loads(data_file(folder, stem).read_text())
    edit(tables)
    replace_data(folder, stem, json.dumps(tables).encode())


def put(name, row, value):
    """An edit of a table: another value in one cell."""

    def edit(table):
        values = table.column(name).to_pylist()
        values[row] = value
        return with_column(table, name, pa.array(values, table.schema.field(name).type))

    return edit


def with_column(table, name, array):
    return table.set_column(table.schema.get_field_index(name), name, array)


def cast(name, kind):
    return lambda table: with_column(table, name, table.column(name).cast(kind))


def take(*rows):
    return lambda table: table.take(pa.array(rows, pa.int64()))


def repeat(row):
    return lambda table: pa.concat_tables([table, table.slice(row, 1)])
