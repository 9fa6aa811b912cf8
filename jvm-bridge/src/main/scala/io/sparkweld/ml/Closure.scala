package io.sparkweld
package ml

import java.lang.invoke.SerializedLambda
import java.util.concurrent.ConcurrentHashMap

import scala.util.Using

import org.apache.xbean.asm9.{ClassReader, ClassVisitor, MethodVisitor, Opcodes}

/**
 * Takes apart a function object of Spark's ML library: its defining class, the methods that it calls, and its captured values.
 *
 * The methods identify the computation, because the number in the function's own name changes between releases.
 */
final case class Closure(owner: String, calls: Set[String], captured: Seq[Any])

object Closure {
  private val Packages = Seq("org.apache.spark.ml.", "org.apache.spark.sql.ml.")
  private val called = new ConcurrentHashMap[(String, String), Set[String]]()

  /** Whether a function object belongs to Spark's ML library; a cheap test of its class name. */
  def isMl(function: AnyRef): Boolean = Packages.exists(function.getClass.getName.startsWith)

  /** Takes apart a function object; None for one that is no Scala lambda of the ML library. */
  def of(function: AnyRef): Option[Closure] =
    if (!isMl(function)) None
    else serialized(function).map { lambda =>
      val captured = (0 until lambda.getCapturedArgCount).map(lambda.getCapturedArg)
      Closure(lambda.getImplClass.replace('/', '.').stripSuffix("$"), callsOf(lambda, function.getClass.getClassLoader), captured)
    }

  private def serialized(function: AnyRef): Option[SerializedLambda] =
    try {
      val replace = function.getClass.getDeclaredMethod("writeReplace")
      replace.setAccessible(true)
      replace.invoke(function) match {
        case lambda: SerializedLambda => Some(lambda)
        case _ => None
      }
    } catch { case _: ReflectiveOperationException => None }

  /**
   * Returns the names of the ML methods that the lambda's body calls. An `$adapted` body only boxes the result of the real one.
   */
  private def callsOf(lambda: SerializedLambda, loader: ClassLoader): Set[String] = {
    val name = lambda.getImplMethodName.stripSuffix("$adapted")
    called.computeIfAbsent((lambda.getImplClass, name), _ => read(lambda.getImplClass, name, loader))
  }

  private def read(owner: String, name: String, loader: ClassLoader): Set[String] = {
    var found = Set.empty[String]
    val calls = new MethodVisitor(Opcodes.ASM9) {
      override def visitMethodInsn(code: Int, of: String, method: String, descriptor: String, isInterface: Boolean): Unit =
        if (of.startsWith("org/apache/spark/")) found += method
    }
    val visitor = new ClassVisitor(Opcodes.ASM9) {
      override def visitMethod(access: Int, method: String, d: String, s: String, e: Array[String]): MethodVisitor =
        if (method == name) calls else null
    }
    Option(loader.getResourceAsStream(s"$owner.class")).foreach { stream =>
      Using.resource(stream)(bytes => new ClassReader(bytes).accept(visitor, ClassReader.SKIP_DEBUG | ClassReader.SKIP_FRAMES))
    }
    found
  }
}
