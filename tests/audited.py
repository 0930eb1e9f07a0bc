"""Code in a Python of its own, and what that opens, changes and connects to on the way."""

import json
import subprocess
import sys
from pathlib import Path

TESTS = str(Path(__file__).parent)

#: Begins to listen to what Python does; `heard` is a list of [event, what, whether our package did it].
LISTEN = (
    f"import sys; sys.path[:0] = [{TESTS!r}]"
    + """
import os, traceback
sys.dont_write_bytecode = True  # what is imported for a request is no concern of it
heard, listening = [], []
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown", "os.link",
           "os.symlink", "os.utime", "os.setxattr", "shutil.", "tempfile.", "os.system", "os.exec", "os.posix_spawn",
           "os.startfile", "subprocess.Popen", "sqlite3.connect", "os.putenv")
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr",
           "socket.getnameinfo", "socket.sendto", "socket.sendmsg", "urllib.Request", "http.client.connect",
           "ftplib.connect", "smtplib.connect")

def ours():
    # somewhere in what led to it
    frames = [frame.filename for frame in traceback.extract_stack()]
    return any(f"{os.sep}{name}{os.sep}" in f for f in frames for name in ("adamax_tb", "tb_plugin"))

def listen(event, arguments):
    if not listening:
        return
    if event == "open":
        path, mode, flags = arguments
        if set(mode or "") & set("wax+") or (flags or 0) & WRITES:
            heard.append([event, ascii(path), ours()])
    elif event.startswith(CHANGES if "changes" in listening else ()) or event in NETWORK:
        heard.append([event, ascii(arguments), ours()])

sys.addaudithook(listen)
"""
)


def python(code, *before, **how):
    command = [*before, sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **how)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])
