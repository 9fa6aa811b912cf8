/* placeholder replaced in the next commit */
int sparkweld_jni_placeholder;
