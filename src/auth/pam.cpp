#include "auth/pam.hpp"

#include <fmt/format.h>
#include <security/pam_appl.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "base/shared_library.hpp"

namespace howdah::auth {
namespace {

struct Libpam {
#define FUNCTION(name) decltype(&::name) name = nullptr;
#include "auth/libpam_functions.inc"
#undef FUNCTION
};

Result<Libpam> load() {
    TRY(const SharedLibrary library, SharedLibrary::open("libpam.so.0", "libpam0g"));
    Libpam functions;
    const char* missing = nullptr;
#define FUNCTION(name) missing = library.get(#name, functions.name) ? missing : #name;
#include "auth/libpam_functions.inc"
#undef FUNCTION
    if (missing != nullptr) {
        return fail(ErrorCode::kUnavailable, std::string("libpam.so.0 has no ") + missing);
    }
    return functions;
}

const Result<Libpam>& loaded() {
    static const Result<Libpam> once = load();
    return once;
}

// What the modules ask and say during one question.
struct Conversation {
    const Question* question;
    std::string said;
    net::Duration delay{};
};

// libpam frees the answers; a password among them is wiped by the module that asked for it.
void free_answers(pam_response* answers, int count) {
    for (int i = 0; i < count; ++i) {
        if (answers[i].resp != nullptr) {
            ::explicit_bzero(answers[i].resp, std::strlen(answers[i].resp));
            std::free(answers[i].resp);
        }
    }
    std::free(answers);
}

// The password is the answer to every hidden prompt. Anything else that wants an answer cannot
// have one: the client is not there to be asked.
bool answer(const pam_message& message, Conversation& conversation, char*& text) {
    switch (message.msg_style) {
        case PAM_PROMPT_ECHO_OFF: {
            const std::string_view password = conversation.question->password.reveal();
            text = ::strndup(password.data(), password.size());
            return text != nullptr;
        }
        case PAM_ERROR_MSG:
            conversation.said = message.msg != nullptr ? message.msg : "";
            return true;
        case PAM_TEXT_INFO:
            return true;
        default:
            conversation.said = "a module asks for something else than the password";
            return false;
    }
}

int converse(int count, const pam_message** messages, pam_response** answers, void* data) {
    if (count < 1 || count > PAM_MAX_NUM_MSG || messages == nullptr) {
        return PAM_CONV_ERR;
    }
    auto* list = static_cast<pam_response*>(
        std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
    if (list == nullptr) {
        return PAM_CONV_ERR;
    }
    auto& conversation = *static_cast<Conversation*>(data);
    for (int i = 0; i < count; ++i) {
        if (!answer(*messages[i], conversation, list[i].resp)) {
            free_answers(list, count);
            return PAM_CONV_ERR;
        }
    }
    if (answers == nullptr) {  // a module that has only something to say
        free_answers(list, count);
    } else {
        *answers = list;
    }
    return PAM_SUCCESS;
}

// libpam would sleep here, and with it everybody else who waits for an answer.
void note_delay(int code, unsigned delay_us, void* data) {
    if (code != PAM_SUCCESS && data != nullptr) {
        static_cast<Conversation*>(data)->delay = std::chrono::microseconds(delay_us);
    }
}

Result<> ask(const Question& question, Conversation& conversation) {
    const Result<Libpam>& library = loaded();
    if (!library) {
        return fail(library.error());
    }
    const Libpam& pam = *library;
    pam_conv talk{converse, &conversation};
    pam_handle_t* handle = nullptr;
    int code = pam.pam_start(question.pam_service.c_str(), question.user.c_str(), &talk, &handle);
    const auto failed = [&](const char* what) {
        return fail(ErrorCode::kRefused,
                    fmt::format("{}() failed: {}", what, pam.pam_strerror(handle, code)));
    };
    if (code != PAM_SUCCESS) {
        return failed("pam_start");
    }
    Result<> result;
    void (*const delay)(int, unsigned, void*) = note_delay;
    pam.pam_set_item(handle, PAM_FAIL_DELAY, reinterpret_cast<const void*>(delay));
    if (!question.host.empty() &&
        (code = pam.pam_set_item(handle, PAM_RHOST, question.host.c_str())) != PAM_SUCCESS) {
        result = failed("pam_set_item");
    } else if ((code = pam.pam_authenticate(handle, PAM_SILENT)) != PAM_SUCCESS) {
        result = failed("pam_authenticate");
    } else if ((code = pam.pam_acct_mgmt(handle, PAM_SILENT)) != PAM_SUCCESS) {
        result = failed("pam_acct_mgmt");  // expired, or not at this hour
    }
    pam.pam_end(handle, code);
    return result;
}

}  // namespace

Verdict ask_pam(const Question& question) {
    Conversation conversation{&question, {}};
    Verdict verdict{ask(question, conversation)};
    verdict.remark = std::move(conversation.said);
    verdict.delay = conversation.delay;
    return verdict;
}

}  // namespace howdah::auth
