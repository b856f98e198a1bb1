"""Drives the server named on the command line through the generated client. Fails at the first answer that is not right."""

import sys

from generated import Client
from generated.api.execution import run_code, run_command
from generated.api.files import access_files
from generated.api.sandboxes import create_sandbox, delete_sandbox, get_sandbox, list_sandboxes, run_sandbox_action
from generated.models import (
    CodeExecution,
    CommandExecution,
    CommandExecutionEnvs,
    CommandResponse,
    ExecutionError,
    ExecutionResponse,
    FileSystemAction,
    FileSystemActionAction,
    FileSystemActionEncoding,
    FileSystemResponse,
    Problem,
    SandboxAction,
    SandboxActionAction,
    SandboxCreate,
    SandboxCreateMetadata,
    SandboxList,
    SandboxCreated,
    SandboxResponse,
)


def expect_equal(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def drive(client: Client) -> None:
    metadata = SandboxCreateMetadata.from_dict({"suite": "python"})
    sandbox = create_sandbox.sync(client=client, body=SandboxCreate(metadata=metadata, timeout=120))
    assert isinstance(sandbox, SandboxCreated), sandbox
    expect_equal("status after create", sandbox.status.value, "running")
    try:
        use_sandbox(client, sandbox.sandbox_id)
    finally:
        deleted = delete_sandbox.sync(sandbox.sandbox_id, client=client)
        assert deleted is not None
        expect_equal("delete", deleted.to_dict(), {"sandbox_id": sandbox.sandbox_id, "status": "deleted"})
    gone = get_sandbox.sync_detailed(sandbox.sandbox_id, client=client)
    assert isinstance(gone.parsed, Problem), gone.parsed
    expect_equal("after delete", (gone.status_code, gone.parsed.code), (404, "SANDBOX_NOT_FOUND"))


def use_sandbox(client: Client, sandbox_id: str) -> None:
    page = list_sandboxes.sync(client=client, metadata=["suite=python"], limit=10)
    assert isinstance(page, SandboxList), page
    expect_equal("list", [one.sandbox_id for one in page.sandboxes], [sandbox_id])

    envs = CommandExecutionEnvs.from_dict({"WORD": "out"})
    body = CommandExecution(command="echo $WORD; echo err >&2; exit 3", envs=envs, timeout=30)
    command = run_command.sync(sandbox_id, client=client, body=body)
    assert isinstance(command, CommandResponse), command
    got = (command.stdout, command.stderr, command.exit_code, command.reason.value)
    expect_equal("command", got, ("out\n", "err\n", 3, "exited"))

    run = run_code.sync(sandbox_id, client=client, body=CodeExecution(code="print(6 * 7)", language="python"))
    assert isinstance(run, ExecutionResponse), run
    expect_equal("code", ([line.line for line in run.logs.stdout], run.error), (["42\n"], None))
    failed = run_code.sync(sandbox_id, client=client, body=CodeExecution(code="1 / 0"))
    assert isinstance(failed, ExecutionResponse), failed
    assert isinstance(failed.error, ExecutionError), failed.error
    expect_equal("error of code", failed.error.name, "ZeroDivisionError")

    use_files(client, sandbox_id)

    action = SandboxAction(action=SandboxActionAction.SET_TIMEOUT, timeout=240)
    timed = run_sandbox_action.sync(sandbox_id, client=client, body=action)
    assert isinstance(timed, SandboxResponse), timed
    expect_equal("set_timeout", timed.timeout, 240)


def use_files(client: Client, sandbox_id: str) -> None:
    def files(body: FileSystemAction) -> FileSystemResponse:
        answer = access_files.sync(sandbox_id, client=client, body=body)
        assert isinstance(answer, FileSystemResponse), answer
        return answer

    do = FileSystemActionAction
    base64 = FileSystemActionEncoding.BASE64
    written = files(FileSystemAction(action=do.WRITE, path="folder/a.txt", content="héllo\n"))
    expect_equal("write", written.message, "File written successfully")
    files(FileSystemAction(action=do.WRITE, path="folder/b.bin", content="/wA=", encoding=base64))
    expect_equal("read", files(FileSystemAction(action=do.READ, path="folder/a.txt")).content, "héllo\n")
    read = files(FileSystemAction(action=do.READ, path="folder/b.bin", encoding=base64))
    expect_equal("read bytes", read.content, "/wA=")
    listed = files(FileSystemAction(action=do.LIST, path="folder")).files or []
    expect_equal("list of files", [(file.name, file.size) for file in listed], [("a.txt", 7), ("b.bin", 2)])
    files(FileSystemAction(action=do.DELETE, path="folder/a.txt"))
    missing = access_files.sync(sandbox_id, client=client, body=FileSystemAction(action=do.READ, path="folder/a.txt"))
    assert isinstance(missing, Problem), missing
    expect_equal("missing file", missing.code, "FILE_NOT_FOUND")


if __name__ == "__main__":
    with Client(base_url=sys.argv[1], raise_on_unexpected_status=True) as client:
        drive(client)
    print("done")
