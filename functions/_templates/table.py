"""All functions by name, and the names that are known but refused. Adding one: its row in its group's table."""

from functions._templates.builtin_functions import BUILTINS
from functions._templates.collection_functions import CHOICES, COLLECTIONS
from functions._templates.encoding_functions import ENCODINGS
from functions._templates.errors import Fault
from functions._templates.expression_functions import EXPRESSIONS
from functions._templates.limits import Budget
from functions._templates.number_functions import NUMBERS
from functions._templates.signature import Function, group
from functions._templates.text_functions import TEXT
from functions._templates.values import Value


def _fail(_: Budget, _message: bytes) -> Value:
    raise Fault("the template gave up here (its message is not shown: it may hold a value)")


FAILURES = group("Failing", (("fail", "string", _fail, "Ends the rendering with an error"),))

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for each in (BUILTINS, CHOICES, TEXT, ENCODINGS, NUMBERS, COLLECTIONS, EXPRESSIONS, FAILURES)
    for function in each
}

_RANDOM = "its result differs each time, so the Secret would never come to rest"
_OUTSIDE = "templates do no I/O and see no environment"
_CLOCK = "its result depends on the clock, so the Secret would never come to rest"
_KEYS = "certificates and keys are not converted here; store them in the form that consumers need"
_OTHER = "it is not among the everyday functions"

REFUSED: dict[str, str] = {
    name: reason
    for reason, names in (
        (_OUTSIDE, "env expandenv getHostByName lookup include tpl required"),
        (_RANDOM, (
            "bcrypt buildCustomCert encryptAES genCA genCAWithKey genPrivateKey genSelfSignedCert "
            "genSelfSignedCertWithKey genSignedCert genSignedCertWithKey htpasswd randAlpha randAlphaNum randAscii "
            "randBytes randInt randNumeric shuffle uuidv4"
        )),
        (_CLOCK, (
            "ago date dateInZone dateModify date_in_zone date_modify duration durationRound htmlDate htmlDateInZone "
            "mustDateModify mustToDate must_date_modify now toDate unixEpoch"
        )),
        (_KEYS, (
            "certSANs decryptAES derivePassword filterCertChain filterPEM fullPemToPkcs12 fullPemToPkcs12Pass "
            "jwkPrivateKeyPem jwkPublicKeyPem pemToPkcs12 pemToPkcs12Pass pemTruststoreToPKCS12 "
            "pemTruststoreToPKCS12Pass pkcs12cert pkcs12certPass pkcs12key pkcs12keyPass rsaDecrypt"
        )),
        (_OTHER, (
            "abbrev abbrevboth add1f addf adler32sum base biggest call camelcase chunk clean deepCopy deepEqual dir "
            "divf ext hello initials isAbs kebabcase kindIs kindOf maxf merge mergeOverwrite minf mulf mustAppend "
            "mustChunk mustCompact mustDeepCopy mustFirst mustHas mustInitial mustLast mustMerge mustMergeOverwrite "
            "mustPrepend mustPush mustRest mustReverse mustSlice mustUniq mustWithout osBase osClean osDir osExt "
            "osIsAbs push round semver semverCompare snakecase subf swapcase toDecimal typeIs typeIsLike typeOf "
            "untitle urlJoin urlParse wrap wrapWith"
        )),
    )
    for name in names.split()
}  # fmt: skip
