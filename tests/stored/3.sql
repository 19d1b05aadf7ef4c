-- A state DB as the release with schema 3 left it. Never changed: what follows has to be read for ever.
PRAGMA application_id = 1702260331;
PRAGMA user_version = 3;
BEGIN TRANSACTION;
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
INSERT INTO meta VALUES('source','/srv');
CREATE TABLE task (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    generation INTEGER NOT NULL,
    file TEXT NOT NULL,
    line INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    spec TEXT NOT NULL,
    refused TEXT, going INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (namespace, name)
) STRICT;
INSERT INTO task VALUES('prod','web','00000000-0000-0000-0000-000000000007',3,'a/web.yaml',12,-1,'{"name":"prod/web","labels":{"team":"näh"},"replicas":2,"suspend":false,"restartPolicy":"Always","backoff":{"initialSeconds":1,"maxSeconds":60,"resetAfterSeconds":600},"update":{"strategy":"Rolling","maxSurge":1,"maxUnavailable":0,"minReadySeconds":0,"onFailure":"Rollback"},"terminationGracePeriodSeconds":10,"template":{"image":"nginx:1.27","imagePullPolicy":"IfNotPresent","args":["-g","daemon off;"],"env":[{"name":"A","value":"''\"😀\n"}],"hostNetwork":false,"resources":{"limits":{},"requests":{}},"securityContext":{"readOnlyRootFilesystem":false,"privileged":false,"allowPrivilegeEscalation":false,"seccompUnconfined":false},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}},"tty":false,"stdin":false,"init":false}}','{"generation":3,"revision":2,"reason":"CrashLoop","message":"it ended 3 times","at":"2026-01-31T09:30:00.123Z"}',1);
INSERT INTO task VALUES('default','bare','00000000-0000-0000-0000-000000000007',3,'a/web.yaml',12,-1,'{"name":"default/bare","labels":{"team":"näh"},"replicas":2,"suspend":false,"restartPolicy":"Always","backoff":{"initialSeconds":1,"maxSeconds":60,"resetAfterSeconds":600},"update":{"strategy":"Rolling","maxSurge":1,"maxUnavailable":0,"minReadySeconds":0,"onFailure":"Rollback"},"terminationGracePeriodSeconds":10,"template":{"image":"nginx:1.27","imagePullPolicy":"IfNotPresent","args":["-g","daemon off;"],"env":[{"name":"A","value":"''\"😀\n"}],"hostNetwork":false,"resources":{"limits":{},"requests":{}},"securityContext":{"readOnlyRootFilesystem":false,"privileged":false,"allowPrivilegeEscalation":false,"seccompUnconfined":false},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}},"tty":false,"stdin":false,"init":false}}',NULL,0);
CREATE TABLE revision (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    image_id TEXT,
    ready INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    spec TEXT NOT NULL,
    PRIMARY KEY (namespace, name, number)
) STRICT;
INSERT INTO revision VALUES('prod','web',1,1,'1:95fd1dd2f38850a9225f33d6b9b380ff',NULL,1,5,'{"name":"prod/web","labels":{"team":"näh"},"replicas":2,"suspend":false,"restartPolicy":"Always","backoff":{"initialSeconds":1,"maxSeconds":60,"resetAfterSeconds":600},"update":{"strategy":"Rolling","maxSurge":1,"maxUnavailable":0,"minReadySeconds":0,"onFailure":"Rollback"},"terminationGracePeriodSeconds":10,"template":{"image":"nginx:1.27","imagePullPolicy":"IfNotPresent","args":["-g","daemon off;"],"env":[{"name":"A","value":"''\"😀\n"}],"hostNetwork":false,"resources":{"limits":{},"requests":{}},"securityContext":{"readOnlyRootFilesystem":false,"privileged":false,"allowPrivilegeEscalation":false,"seccompUnconfined":false},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}},"tty":false,"stdin":false,"init":false}}');
INSERT INTO revision VALUES('prod','web',2,2,'1:95fd1dd2f38850a9225f33d6b9b380ff','sha256:0000000000000000000000000000000000000000000000000000000000000002',0,5,'{"name":"prod/web","labels":{"team":"näh"},"replicas":2,"suspend":false,"restartPolicy":"Always","backoff":{"initialSeconds":1,"maxSeconds":60,"resetAfterSeconds":600},"update":{"strategy":"Rolling","maxSurge":1,"maxUnavailable":0,"minReadySeconds":0,"onFailure":"Rollback"},"terminationGracePeriodSeconds":10,"template":{"image":"nginx:1.27","imagePullPolicy":"IfNotPresent","args":["-g","daemon off;"],"env":[{"name":"A","value":"''\"😀\n"}],"hostNetwork":false,"resources":{"limits":{},"requests":{}},"securityContext":{"readOnlyRootFilesystem":false,"privileged":false,"allowPrivilegeEscalation":false,"seccompUnconfined":false},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}},"tty":false,"stdin":false,"init":false}}');
CREATE TABLE instance (
    id TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    slot INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    container TEXT,
    exit_code INTEGER,
    reason TEXT,
    message TEXT,
    revision INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    failures INTEGER NOT NULL,
    start_sent INTEGER NOT NULL,
    hopeless INTEGER NOT NULL,
    proven INTEGER NOT NULL,
    because TEXT NOT NULL,
    stopping TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    seen_under INTEGER,
    finished_at INTEGER,
    UNIQUE (namespace, name, slot, attempt)
) STRICT;
INSERT INTO instance VALUES('00000000-0000-0000-0000-000000000001','prod','web','00000000-0000-0000-0000-000000000007',0,1,'Pending',NULL,NULL,NULL,NULL,1,'1:00',0,0,1,0,'the manifest asks for it',NULL,1,NULL,1700000000500,NULL);
INSERT INTO instance VALUES('00000000-0000-0000-0000-000000000002','prod','web','00000000-0000-0000-0000-000000000007',1,4,'Failed','0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',-1,'OOMKilled','out of memory',1,'1:00',4,1,1,1,'the manifest asks for it','Replaced',1,2,1700000000500,3);
CREATE TABLE kept_log (
    instance TEXT PRIMARY KEY,
    log BLOB NOT NULL
) STRICT;
INSERT INTO kept_log VALUES('00000000-0000-0000-0000-000000000002',X'62796500ff');
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    severity TEXT NOT NULL,
    namespace TEXT,
    name TEXT,
    uid TEXT,
    instance TEXT,
    slot INTEGER,
    attempt INTEGER,
    reason TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
INSERT INTO event VALUES(1,9,'Warning','prod','web',NULL,NULL,NULL,NULL,'Started','one');
INSERT INTO event VALUES(2,9,'Warning',NULL,NULL,NULL,NULL,NULL,NULL,'Started','two');
CREATE TABLE run (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    slot INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    reason TEXT,
    exit_code INTEGER,
    PRIMARY KEY (namespace, name, slot, fingerprint)
) STRICT;
INSERT INTO run VALUES('prod','web','00000000-0000-0000-0000-000000000007',1,2,'1:0a','Error',3);
INSERT INTO sqlite_sequence VALUES('event',2);
CREATE INDEX event_of_task ON event (namespace, name, seq);
COMMIT;
